import { createHash, type Hash } from 'node:crypto';
import { crc32 } from '../domain/crc32';
import { CRC64_OF_NOTHING, type Crc64, crc64, crc64ToHex } from '../domain/crc64';
import type { Verification } from './fetch-file';
import type { RemoteChecksums } from './remote-object';

const FROM_STRONGEST = ['sha256', 'crc64nvme', 'crc32', 'md5'] as const;

/** Of a file's bytes in their order: CRC32 always, and the strongest that there is something to hold to. */
export class FileDigests {
  /** What the file is held to; `length`: there is nothing else. */
  readonly strongest: Verification;
  readonly #hash: Hash | undefined;
  #crc32 = 0;
  #crc64: Crc64 = CRC64_OF_NOTHING;

  constructor(private readonly wanted: RemoteChecksums) {
    // CRC32 comes for free: it is what we say of the file ourselves.
    this.strongest = wanted.crc32 !== undefined && wanted.sha256 === undefined ? 'crc32' : strongestOf(wanted);
    this.#hash = this.strongest === 'sha256' || this.strongest === 'md5' ? createHash(this.strongest) : undefined;
  }

  get crc32(): number {
    return this.#crc32;
  }

  add(bytes: Buffer): void {
    this.#crc32 = crc32(bytes, this.#crc32);
    if (this.strongest === 'crc64nvme') this.#crc64 = crc64(bytes, this.#crc64);
    this.#hash?.update(bytes);
  }

  /** Once, at the end. @returns what differs */
  findProblem(): string | undefined {
    if (this.strongest === 'length') return undefined;
    const got = {
      crc32: () => this.#crc32,
      crc64nvme: () => crc64ToHex(this.#crc64),
      sha256: () => this.#hash!.digest('hex'),
      md5: () => this.#hash!.digest('hex'),
    }[this.strongest]();
    return got === this.wanted[this.strongest]
      ? undefined
      : `what came has another ${this.strongest} (${got}) than the far side says (${this.wanted[this.strongest]})`;
  }
}

const strongestOf = (wanted: RemoteChecksums): Verification =>
  FROM_STRONGEST.find((name) => wanted[name] !== undefined) ?? 'length';
