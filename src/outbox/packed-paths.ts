/** Paths in one block of memory: thousands of them go to another thread without a copy. */
export interface PackedPaths {
  /** One after the other, in memory of their own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each ends. */
  readonly ends: Uint32Array<ArrayBuffer>;
}

const FIRST_BYTES = 4_096;

export class PathPacker {
  #bytes = new Uint8Array(FIRST_BYTES);
  readonly #ends: number[] = [];

  /** `folder`, which ends with a slash, and `path` from `start` on. */
  add(folder: Buffer, path: Buffer, start: number): void {
    const at = this.#ends.at(-1) ?? 0;
    const end = at + folder.length + path.length - start;
    if (end > this.#bytes.length) this.#grow(end);
    folder.copy(this.#bytes, at);
    path.copy(this.#bytes, at + folder.length, start);
    this.#ends.push(end);
  }

  pack(): PackedPaths {
    return { bytes: this.#bytes, ends: Uint32Array.from(this.#ends) };
  }

  #grow(length: number): void {
    const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Good as long as the list is. */
export function pathAt({ bytes, ends }: PackedPaths, at: number): Buffer {
  const start = at === 0 ? 0 : ends[at - 1]!;
  return Buffer.from(bytes.buffer, start, ends[at]! - start);
}
