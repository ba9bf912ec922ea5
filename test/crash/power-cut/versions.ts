import { crc32 } from 'node:zlib';
import { SeededRandom } from '../seeded-random';
import type { Said } from './producer-log';

interface State {
  readonly bytes: number;
  readonly sha256: string;
  readonly mtimeNs: string;
  readonly atMs: number;
}

/** One version of a file, as far as its producer came. */
export interface Version {
  /** Grows with each version of a name. */
  readonly id: number;
  readonly name: string;
  readonly seed: number;
  /** As planned. */
  readonly bytes: number;
  /** After each write; more than one where it was appended to. */
  readonly states: State[];
  /** Synced by the producer, with its name. */
  durableBytes: number;
  isPlaced: 'no' | 'perhaps' | 'yes';
  placedAtMs: number;
}

/** A version, or its first bytes. */
export interface Content {
  readonly version: Version;
  readonly bytes: number;
}

/** No two versions begin alike; so many bytes tell whose it is. */
const TELLING_BYTES = 16;

export const contentOf = (seed: number, bytes: number): Buffer => new SeededRandom(seed).bytes(bytes);

/** All that a producer has made up to a moment. */
export class Versions {
  readonly #byId = new Map<number, Version>();
  readonly #byName = new Map<string, Version[]>();
  /** CRC32 by seed and length. */
  readonly #sums = new Map<string, number>();

  constructor(said: readonly Said[]) {
    for (const one of said) this.#apply(one);
  }

  get all(): readonly Version[] {
    return [...this.#byId.values()];
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** Of a name, in order. */
  of(name: string): readonly Version[] {
    return this.#byName.get(name) ?? [];
  }

  /** Whose bytes these are. @returns undefined for none, and for bytes that nobody wrote under this name */
  identify(name: string, bytes: number, sum: number): Content | undefined {
    if (bytes === 0) return undefined;
    const version = this.of(name).find((one) => one.bytes >= bytes && this.#sumOf(one, bytes) === sum);
    return version && { version, bytes };
  }

  /**
   * Whose file this is that a power cut left, and how many of its first bytes are as they were written. What was not
   * synced may be missing from the middle on: the kernel writes pages in any order, and what it did not write reads as
   * zeros. Other bytes are nobody's.
   */
  recognise(name: string, found: Buffer): Content | undefined {
    for (const version of this.of(name)) {
      if (found.length === 0 || found.length > version.bytes) continue;
      const content = contentOf(version.seed, version.bytes);
      const odd = found.findIndex((byte, at) => byte !== content[at]);
      if (odd === -1) return { version, bytes: found.length };
      if (odd >= TELLING_BYTES && found.every((byte, at) => byte === content[at] || byte === 0))
        return { version, bytes: odd };
    }
    return undefined;
  }

  #sumOf({ seed }: Version, bytes: number): number {
    const key = `${seed}:${bytes}`;
    const sum = this.#sums.get(key) ?? crc32(contentOf(seed, bytes));
    this.#sums.set(key, sum);
    return sum;
  }

  #apply(said: Said): void {
    switch (said.say) {
      case 'begin':
        this.#add(said);
        return;
      case 'written':
        this.#get(said.id).states.push(said);
        return;
      case 'placing':
        this.#get(said.id).isPlaced = 'perhaps';
        return;
      case 'placed':
        Object.assign(this.#get(said.id), { isPlaced: 'yes', placedAtMs: said.atMs });
        return;
      case 'durable':
        this.#get(said.id).durableBytes = said.bytes;
        return;
    }
  }

  #get(id: number): Version {
    return this.#byId.get(id)!;
  }

  #add({ id, name, seed, bytes }: Extract<Said, { say: 'begin' }>): void {
    const version: Version = { id, name, seed, bytes, states: [], durableBytes: 0, isPlaced: 'no', placedAtMs: 0 };
    this.#byId.set(id, version);
    const versions = this.#byName.get(name);
    if (versions === undefined) this.#byName.set(name, [version]);
    else versions.push(version);
  }
}
