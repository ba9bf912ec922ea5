import { createHash, type Hash } from 'node:crypto';
import { crc32 } from '../domain/crc32';
import type { Verification } from './fetch-file';
import type { RemoteChecksums } from './remote-object';

/** Of a file's bytes in their order: CRC32 always, others only where there is something to hold them to. */
export class FileDigests {
  #crc32 = 0;
  readonly #sha256: Hash | undefined;
  readonly #md5: Hash | undefined;
  readonly strongest: Verification;

  constructor({ crc32: wanted, sha256, md5 }: RemoteChecksums) {
    this.#sha256 = sha256 === undefined ? undefined : createHash('sha256');
    this.#md5 = md5 === undefined || wanted !== undefined || sha256 !== undefined ? undefined : createHash('md5');
    this.strongest =
      this.#sha256 !== undefined
        ? 'sha256'
        : wanted !== undefined
          ? 'crc32'
          : this.#md5 !== undefined
            ? 'md5'
            : 'length';
  }

  get crc32(): number {
    return this.#crc32;
  }

  add(bytes: Buffer): void {
    this.#crc32 = crc32(bytes, this.#crc32);
    this.#sha256?.update(bytes);
    this.#md5?.update(bytes);
  }

  /** Once, at the end. @returns what differs */
  findProblem(wanted: RemoteChecksums): string | undefined {
    if (wanted.crc32 !== undefined && wanted.crc32 !== this.#crc32) return differs('CRC32');
    if (this.#sha256 !== undefined && this.#sha256.digest('hex') !== wanted.sha256) return differs('SHA-256');
    if (this.#md5 !== undefined && this.#md5.digest('hex') !== wanted.md5) return differs('MD5');
    return undefined;
  }
}

const differs = (name: string): string => `what came has another ${name} than the far side says`;
