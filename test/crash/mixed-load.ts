import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { SeededRandom } from './seeded-random';

interface LoadedFile {
  readonly sha256: string;
  readonly bytes: number;
  readonly versions: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const SMALL_FOLDERS = 8;
const REPLACED_SMALL = 12;
const REPLACED_LARGE = 2;

export interface LoadLimits {
  readonly partBytes: number;
  readonly singlePutMaxBytes: number;
}

/** What a device that is never idle has in its outbox: many small files, some large ones, and new versions of a few. */
export class MixedLoad {
  /** By name; the newest version. */
  readonly files = new Map<string, LoadedFile>();
  large = 0;
  #bytes = 0;
  #named = 0;

  constructor(
    private readonly outbox: string,
    private readonly random: SeededRandom,
    private readonly limits: LoadLimits,
  ) {}

  get summary(): string {
    const versions = [...this.files.values()].reduce((sum, file) => sum + file.versions, 0);
    return `${this.files.size} files, ${versions} versions, ${Math.round(this.#bytes / MIB)} MiB`;
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

  replaceSmall(): void {
    this.#write(`replaced/small-${this.random.between(1, REPLACED_SMALL)}.txt`, this.random.between(1, 64 * KIB));
  }

  replaceLarge(): void {
    this.#write(
      `replaced/large-${this.random.between(1, REPLACED_LARGE)}.bin`,
      this.random.between(12 * MIB, 16 * MIB),
    );
  }

  /** Requests that carry bytes, were each sent once. Of a version that was never sent too. */
  requestsOf(name: string): number {
    const { bytes, versions } = this.files.get(name)!;
    if (bytes <= this.limits.singlePutMaxBytes) return versions;
    // A replaced file's versions differ in size; at most as many parts as the largest has.
    const largest = versions > 1 ? 16 * MIB : bytes;
    return versions * Math.ceil(largest / this.limits.partBytes);
  }

  /** Cheap: is there an object of the newest version's size for each file with such a name? */
  hasArrived(cloud: LocalCloud, bucket: string, prefix: string, names = ''): boolean {
    return [...this.files]
      .filter(([name]) => name.startsWith(names))
      .every(([name, { bytes }]) => cloud.findObject(bucket, prefix + name)?.sizeBytes === bytes);
  }

  /** @returns what is lost or altered, a line each */
  async findProblems(cloud: LocalCloud, bucket: string, prefix: string): Promise<string[]> {
    const problems: string[] = [];
    for (const [name, { sha256, versions }] of this.files) {
      const key = prefix + name;
      if (cloud.findObject(bucket, key) === undefined) problems.push(`lost: ${name}`);
      else if ((await cloud.sha256(bucket, key)) !== sha256) problems.push(`altered: ${name} (${versions} versions)`);
    }
    for (const { key } of cloud.objects(bucket))
      if (!this.files.has(key.slice(prefix.length))) problems.push(`nobody's: ${key}`);
    return problems;
  }

  /** Beside, then renamed: a reader sees one version or the other. */
  #write(name: string, size: number): void {
    const bytes = this.random.bytes(size);
    const target = join(this.outbox, name);
    const beside = `${this.outbox}.new`;
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(beside, bytes);
    renameSync(beside, target);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.#bytes += size;
    this.files.set(name, { sha256, bytes: size, versions: (this.files.get(name)?.versions ?? 0) + 1 });
  }
}
