import { createHash, createHmac } from 'node:crypto';

/** SHA-256, or its HMAC when there is a secret, in the shape the signer asks for. */
export class SignerSha256 {
  private hash: ReturnType<typeof createHash | typeof createHmac>;

  constructor(private readonly secret?: string | ArrayBuffer | ArrayBufferView) {
    this.hash = this.create();
  }

  update(bytes: Uint8Array | string): void {
    this.hash.update(bytes);
  }

  async digest(): Promise<Uint8Array> {
    return this.hash.digest();
  }

  reset(): void {
    this.hash = this.create();
  }

  private create(): ReturnType<typeof createHash | typeof createHmac> {
    const { secret } = this;
    if (secret === undefined) return createHash('sha256');
    if (typeof secret === 'string') return createHmac('sha256', secret);
    const bytes = ArrayBuffer.isView(secret)
      ? Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength)
      : Buffer.from(secret);
    return createHmac('sha256', bytes);
  }
}
