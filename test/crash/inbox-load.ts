import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { OnExisting } from '../../src/download/landing';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { ObjectRecord } from '../local-cloud/s3/records';
import type { SeededRandom } from './seeded-random';

interface PutVersion {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const FOLDERS = 5;
const REPLACED = 8;
const INBOX = 'device00/inbox/';
const ARCHIVE = 'device00/archive/';

/** Objects that are put into the inbox without end, and all that S3 and the folder have ever had of them. */
export class InboxLoad {
  readonly problems: string[] = [];
  /** Replaced before anybody could fetch them, or while they were fetched. */
  replaced = 0;
  /** Everything that was put, or may have been: by MD5, which is the ETag. */
  readonly #versions = new Map<string, PutVersion>();
  /** What took the name last. */
  readonly #newest = new Map<string, string>();
  /** By key in the archive. */
  readonly #archived = new Map<string, string>();
  #named = 0;

  constructor(
    private readonly folder: string,
    private readonly random: SeededRandom,
    private readonly onExisting: OnExisting,
  ) {}

  get summary(): string {
    const bytes = [...this.#versions.values()].reduce((sum, one) => sum + one.bytes, 0);
    return `${this.#newest.size} objects, ${this.#versions.size} versions, ${Math.round(bytes / MIB)} MiB, ${this.#archived.size} archived`;
  }

  /** Of the cloud: an object has taken its key. */
  onStored({ key, etag }: ObjectRecord): void {
    const version = this.#versions.get(etag);
    if (key.startsWith(INBOX)) {
      if (this.#newest.has(key.slice(INBOX.length))) this.replaced += 1;
      this.#newest.set(key.slice(INBOX.length), etag);
    } else if (version === undefined || !isBeside(ARCHIVE + version.name, key)) this.problems.push(`altered: ${key}`);
    else this.#archive(key, etag);
  }

  async put(s3: S3Client, bucket: string, large = 0): Promise<void> {
    const { random } = this;
    for (let i = random.between(2, 10); i > 0; i--) await this.#put(s3, bucket, this.#name('txt'), 64 * KIB);
    for (let i = random.between(0, 3); i > 0; i--) await this.replace(s3, bucket);
    for (let i = large; i > 0; i--) await this.#put(s3, bucket, this.#name('bin'), 8 * MIB);
  }

  replace(s3: S3Client, bucket: string): Promise<void> {
    const which = this.random.between(1, REPLACED);
    return this.#put(s3, bucket, `replaced/r${which}.bin`, which > REPLACED / 2 ? 3 * MIB : 32 * KIB);
  }

  isDone(cloud: LocalCloud, bucket: string): boolean {
    return [...this.#newest.keys()].every((name) => cloud.findObject(bucket, INBOX + name) === undefined);
  }

  /** At any moment at which nobody runs: what is gone from the inbox is here, whole, and in the archive. */
  judge(cloud: LocalCloud, bucket: string): void {
    const landed = this.#landed();
    const archived = new Set(this.#archived.values());
    for (const [name, etag] of this.#newest) {
      if (cloud.findObject(bucket, INBOX + name) !== undefined) continue;
      if (!landed.get(etag)?.some((path) => isBeside(name, path))) this.problems.push(`lost: ${name} has not landed`);
      if (!archived.has(etag)) this.problems.push(`lost: ${name} is not in the archive`);
    }
    for (const [key, etag] of this.#archived)
      if (cloud.findObject(bucket, key)?.etag !== etag) this.problems.push(`lost: ${key} is not what was archived`);
  }

  /** When all is done. */
  async judgeEnd(cloud: LocalCloud, bucket: string): Promise<void> {
    this.judge(cloud, bucket);
    const landed = this.#landed();
    for (const [etag, paths] of landed) {
      const version = this.#versions.get(etag);
      if (paths.some((path) => basename(path).startsWith('.courier-'))) this.problems.push(`left behind: ${paths}`);
      else if (version === undefined) this.problems.push(`altered: the file ${paths}`);
      else if (paths.length > 1) this.problems.push(`doubled: ${paths}`);
    }
    for (const [name, etag] of this.#newest)
      if (this.onExisting === 'overwrite' && !landed.get(etag)?.includes(name))
        this.problems.push(`not the newest: ${name}`);
    if (this.onExisting === 'rename')
      for (const [key, etag] of this.#archived)
        if (!landed.has(etag)) this.problems.push(`lost: what is ${key} in the archive has no file`);
    for (const [key, etag] of this.#archived)
      if ((await cloud.sha256(bucket, key)) !== this.#versions.get(etag)!.sha256) this.problems.push(`altered: ${key}`);
  }

  #archive(key: string, etag: string): void {
    const before = this.#archived.get(key);
    if (before !== undefined && before !== etag) this.problems.push(`overwritten: ${key}`);
    const other = [...this.#archived].find(([at, held]) => held === etag && at !== key);
    if (other !== undefined) this.problems.push(`doubled: ${key} and ${other[0]}`);
    this.#archived.set(key, etag);
  }

  /** By MD5. */
  #landed(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    if (!existsSync(this.folder)) return found; // killed before it was made
    for (const entry of readdirSync(this.folder, { recursive: true })) {
      const path = String(entry);
      if (!statSync(join(this.folder, path)).isFile()) continue;
      const md5 = digest('md5', readFileSync(join(this.folder, path)));
      found.set(md5, [...(found.get(md5) ?? []), path]);
    }
    return found;
  }

  #name(extension: string): string {
    this.#named += 1;
    return `s${this.#named % FOLDERS}/o-${this.#named}.${extension}`;
  }

  async #put(s3: S3Client, bucket: string, name: string, mostBytes: number): Promise<void> {
    const bytes = this.random.bytes(this.random.between(mostBytes >> 2, mostBytes));
    const version = { name, bytes: bytes.length, sha256: digest('sha256', bytes) };
    this.#versions.set(digest('md5', bytes), version);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: INBOX + name, Body: bytes }));
  }
}

const digest = (algorithm: string, bytes: Buffer): string => createHash(algorithm).update(bytes).digest('hex');

/** `a.txt`, `a (1).txt`, `a-20260102T030405Z.txt`, `a-20260102T030405Z-2.txt` */
const isBeside = (name: string, path: string): boolean =>
  path === name || path.replace(/(?: \(\d+\)|-\d{8}T\d{6}Z(?:-\d+)?)(?=\.[^./]*$)/, '') === name;
