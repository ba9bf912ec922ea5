import { createHash } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { crc32ToBase64 } from '../../src/domain/crc32';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { SeededRandom } from './seeded-random';

/** What once lay in the outbox under a name. */
export interface Version {
  readonly name: string;
  /** Of all versions of all files, in the order they were dropped. */
  readonly number: number;
  /** Its mtime, Unix seconds: no other version has it, so that an object tells which one it holds. */
  readonly mtimeSeconds: number;
  readonly bytes: number;
  readonly sha256: string;
  /** As S3 spells it. */
  readonly crc32: string;
  /** The next version came over it in the outbox: nobody has it any more. */
  isReplaced: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const SMALL_FOLDERS = 8;
const REPLACED_SMALL = 12;
const REPLACED_LARGE = 2;
const FIRST_MTIME_SECONDS = 1_700_000_000;

export interface LoadLimits {
  readonly partBytes: number;
  readonly singlePutMaxBytes: number;
}

/** What a device that is never idle has in its outbox: many small files, some large ones, and new versions of a few. */
export class MixedLoad {
  /** By name, the newest last. */
  readonly files = new Map<string, Version[]>();
  /** By number. */
  readonly versions: Version[] = [];
  large = 0;
  #bytes = 0;
  #named = 0;

  constructor(
    private readonly outbox: string,
    private readonly random: SeededRandom,
    private readonly limits: LoadLimits,
  ) {}

  get summary(): string {
    return `${this.files.size} files, ${this.versions.length} versions, ${Math.round(this.#bytes / MIB)} MiB`;
  }

  addSmall(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#named += 1;
      const name = `s${this.#named % SMALL_FOLDERS}/small-${this.#named}.txt`;
      this.#write(name, this.random.between(1, 64 * KIB));
    }
  }

  addLarge(): void {
    this.large += 1;
    this.#named += 1;
    this.#write(`large-${this.#named}.bin`, this.random.between(12 * MIB, 40 * MIB));
  }

  replaceSmall(which = this.random.between(1, REPLACED_SMALL)): void {
    this.#write(`replaced/small-${which}.txt`, this.random.between(1, 64 * KIB));
  }

  replaceLarge(): void {
    this.#write(
      `replaced/large-${this.random.between(1, REPLACED_LARGE)}.bin`,
      this.random.between(12 * MIB, 16 * MIB),
    );
  }

  /** @returns undefined when no version has this mtime */
  findVersion(mtimeSeconds: number): Version | undefined {
    return this.versions[mtimeSeconds - FIRST_MTIME_SECONDS];
  }

  /** Requests that carry bytes, were each sent once. Of a version that was never sent too. */
  requestsOf(name: string): number {
    const versions = this.files.get(name)!;
    const { bytes } = versions.at(-1)!;
    if (bytes <= this.limits.singlePutMaxBytes) return versions.length;
    // A replaced file's versions differ in size; at most as many parts as the largest has.
    const largest = versions.length > 1 ? 16 * MIB : bytes;
    return versions.length * this.partsOf(largest);
  }

  partsOf(bytes: number): number {
    return bytes <= this.limits.singlePutMaxBytes ? 1 : Math.ceil(bytes / this.limits.partBytes);
  }

  /** Cheap: is there an object of the newest version's size for each file with such a name? */
  hasArrived(cloud: LocalCloud, bucket: string, prefix: string, names = ''): boolean {
    return [...this.files]
      .filter(([name]) => name.startsWith(names))
      .every(([name, versions]) => cloud.findObject(bucket, prefix + name)?.sizeBytes === versions.at(-1)!.bytes);
  }

  /** @returns of the newest versions what is lost or altered, a line each */
  async findProblems(cloud: LocalCloud, bucket: string, prefix: string): Promise<string[]> {
    const problems: string[] = [];
    for (const [name, versions] of this.files) {
      const key = prefix + name;
      if (cloud.findObject(bucket, key) === undefined) problems.push(`lost: ${name}`);
      else if ((await cloud.sha256(bucket, key)) !== versions.at(-1)!.sha256)
        problems.push(`altered: ${name} (${versions.length} versions)`);
    }
    return problems;
  }

  /** Beside, then renamed: a reader sees one version or the other. */
  #write(name: string, size: number): void {
    const bytes = this.random.bytes(size);
    const target = join(this.outbox, name);
    const beside = `${this.outbox}.new`;
    const mtimeSeconds = FIRST_MTIME_SECONDS + this.versions.length;
    const version: Version = {
      name,
      number: this.versions.length,
      mtimeSeconds,
      bytes: size,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      crc32: crc32ToBase64(crc32(bytes)),
      isReplaced: false,
    };
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(beside, bytes);
    utimesSync(beside, mtimeSeconds, mtimeSeconds);
    const versions = this.files.get(name) ?? [];
    const isGone = renameOver(beside, target);
    const before = versions.at(-1);
    if (before !== undefined && isGone) before.isReplaced = true;
    this.#bytes += size;
    this.versions.push(version);
    this.files.set(name, [...versions, version]);
  }
}

/** @returns whether a file that lay there until now is nowhere any more: it may have been claimed in this very moment */
function renameOver(from: string, to: string): boolean {
  const fd = findOpen(to);
  renameSync(from, to);
  if (fd === undefined) return false;
  const { nlink } = fstatSync(fd);
  closeSync(fd);
  return nlink === 0;
}

function findOpen(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch {
    return undefined;
  }
}
