import { crc32 } from 'node:zlib';
import { ChunkedDecoder } from './chunked-decoder';
import type { Received } from './received-objects';

/** Counts the payload of one request as it arrives and lets go of it. */
export class RequestBody {
  private size = 0;
  private crc = 0;
  private text: string | undefined;
  private readonly md5Hex: string | undefined;
  private readonly decodedLength: number | undefined;
  private readonly decoder: ChunkedDecoder | undefined;

  constructor(method: string, headers: Readonly<Record<string, string | undefined>>) {
    const md5 = headers['content-md5'];
    this.md5Hex = md5 === undefined ? undefined : Buffer.from(md5, 'base64').toString('hex');
    const decodedLength = headers['x-amz-decoded-content-length'];
    if (decodedLength !== undefined) {
      this.decodedLength = Number(decodedLength);
      this.decoder = new ChunkedDecoder((bytes) => this.count(bytes));
    }
    if (method === 'POST') this.text = '';
  }

  write(bytes: Buffer): void {
    if (this.text !== undefined) this.text += bytes.toString('latin1');
    if (this.decoder) this.decoder.write(bytes);
    else this.count(bytes);
  }

  /** @throws Error when the framing and the length the client told disagree */
  end(): Received {
    if (this.decodedLength !== undefined && this.decodedLength !== this.size) {
      throw new Error(`x-amz-decoded-content-length says ${this.decodedLength}, ${this.size} bytes came`);
    }
    return { size: this.size, crc32: this.crc, md5Hex: this.md5Hex, text: this.text };
  }

  private count(bytes: Buffer): void {
    this.size += bytes.length;
    this.crc = crc32(bytes, this.crc);
  }
}
