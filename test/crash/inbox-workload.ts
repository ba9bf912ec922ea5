import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { OnExisting } from '../../src/download/landing';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { InboxObserver } from './guarded-inbox';
import type { SeededRandom } from './seeded-random';
import { unsynced } from './unsynced';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What lies in the inbox at first. */
const SIZES = {
  'small.txt': 3 * KIB,
  'deep/er/nested.txt': 2 * KIB,
  empty: 0,
  'large.bin': 5 * MIB + 17,
  'other.bin': 2 * MIB,
  /** A file of somebody else's has this name in the folder. */
  'there.txt': 4 * KIB,
  /** An object of somebody else's has this name in the archive. */
  'taken.txt': 5 * KIB,
};
export type ObjectName = keyof typeof SIZES;

/** What happens to an object, once, when it is about to be called, or when the device is dead for the first time. */
export interface Surprise {
  readonly what: 'replaced' | 'replaced and put back' | 'removed' | 'archive key taken';
  readonly before: string;
}

export interface InboxWorkloadOptions {
  readonly folder: string;
  readonly cloud: LocalCloud;
  readonly s3: S3Client;
  readonly bucket: string;
  readonly onExisting: OnExisting;
  readonly objects: readonly ObjectName[];
  readonly surprise: Surprise | undefined;
  readonly random: SeededRandom;
}

interface PutVersion {
  readonly name: string;
  readonly sha: string;
  readonly etag: string;
  readonly sizeBytes: number;
}

export const INBOX = 'device00/inbox/';
const ARCHIVE = 'device00/archive/';

/** Objects on their way down, those who put, replace and remove them meanwhile, and what must be true of them. */
export class InboxWorkload implements InboxObserver {
  /** Of each name, the newest last. */
  readonly #versions = new Map<string, PutVersion[]>();
  /** By path in the folder, and by key: of somebody else. */
  readonly #foreign = new Map<string, string>();
  readonly #bytes = new Map<string, number>();
  readonly #removedByOthers = new Set<string>();
  readonly #wrongForAWhile: string[] = [];
  /** They stay in the archive, whatever comes. */
  readonly #archived = new Set<PutVersion>();
  #isSurprised = false;

  constructor(private readonly options: InboxWorkloadOptions) {}

  async lay(): Promise<void> {
    const { objects, folder, random } = this.options;
    mkdirSync(folder);
    for (const name of objects) await this.#put(name, random.bytes(SIZES[name]));
    if (objects.includes('there.txt')) {
      const bytes = random.bytes(100);
      writeFileSync(join(folder, 'there.txt'), bytes);
      this.#foreign.set('there.txt', sha256(bytes));
    }
    if (objects.includes('taken.txt')) await this.#putForeign(`${ARCHIVE}taken.txt`);
  }

  async onCall(call: string, key: string): Promise<void> {
    await this.surprise(call, key);
  }

  onBytes(_key: string, etag: string, bytes: number): void {
    this.#bytes.set(etag, (this.#bytes.get(etag) ?? 0) + bytes);
  }

  /** Nothing is deleted but what is here, durably, and there. */
  async onRemove(key: string, etag: string): Promise<void> {
    const version = this.#of(key.slice(INBOX.length)).find((one) => one.etag === etag);
    const problem = version === undefined ? 'nobody put it' : await this.#findUnsafe(version);
    if (problem !== undefined) this.#wrongForAWhile.push(`deleted too early: ${key}, ${problem}`);
    else this.#archived.add(version!);
  }

  /** @param key undefined: of whatever object there is */
  async surprise(at: string, key?: string): Promise<void> {
    const { surprise, objects, random } = this.options;
    if (surprise?.before !== at || this.#isSurprised || key?.startsWith(ARCHIVE)) return;
    this.#isSurprised = true;
    const name = key?.startsWith(INBOX) && key !== INBOX ? (key.slice(INBOX.length) as ObjectName) : objects[0]!;
    const isThere = this.options.cloud.findObject(this.options.bucket, INBOX + name) !== undefined;
    switch (surprise.what) {
      case 'replaced':
        return this.#put(name, random.bytes(SIZES[name] + 1));
      case 'replaced and put back': {
        if (!isThere) return;
        const before = await this.#read(INBOX + name);
        await this.#put(name, random.bytes(SIZES[name] + 1));
        return this.#put(name, before);
      }
      case 'removed':
        this.#removedByOthers.add(name);
        await this.options.s3.send(new DeleteObjectCommand({ Bucket: this.options.bucket, Key: INBOX + name }));
        return;
      case 'archive key taken':
        if (this.options.cloud.findObject(this.options.bucket, ARCHIVE + name) === undefined)
          await this.#putForeign(ARCHIVE + name);
    }
  }

  /** Nothing of it is left in the inbox that should come. */
  get isEmpty(): boolean {
    const { cloud, bucket } = this.options;
    return [...this.#versions.keys()].every(
      (name) => this.#isSkipped(name) || cloud.findObject(bucket, INBOX + name) === undefined,
    );
  }

  /** At any moment. @returns what is gone from the inbox and not safe, a line each */
  async findLost(): Promise<string[]> {
    const { cloud, bucket } = this.options;
    const problems: string[] = [];
    for (const [name, versions] of this.#versions) {
      if (this.#removedByOthers.has(name) || cloud.findObject(bucket, INBOX + name) !== undefined) continue;
      const problem = await this.#findUnsafe(versions.at(-1)!);
      if (problem !== undefined) problems.push(`lost: ${name}, ${problem}`);
    }
    return problems;
  }

  /** When all is done. @param kills of them each may have cost a little of a body */
  async findProblems(kills: number): Promise<string[]> {
    const problems = [...this.#wrongForAWhile, ...(await this.findLost())];
    problems.push(...this.#judgeFolder(), ...(await this.#judgeBucket()));
    for (const { name, etag, sizeBytes } of [...this.#versions.values()].flat()) {
      const came = this.#bytes.get(etag) ?? 0;
      const puts = this.#of(name).filter((one) => one.etag === etag).length;
      const allowed = sizeBytes * puts + kills * 128 * KIB;
      if (came > allowed && !this.#isSkipped(name))
        problems.push(`fetched twice: ${name}, ${came} of ${sizeBytes} bytes`);
    }
    return problems;
  }

  #judgeFolder(): string[] {
    const { folder, onExisting } = this.options;
    const problems: string[] = [];
    const found = new Map<string, string[]>();
    for (const path of filesOf(folder)) {
      const sha = sha256(readFileSync(join(folder, path)));
      const ours = [...this.#versions.values()].flat().find((version) => version.sha === sha);
      if (basename(path).startsWith('.courier-')) problems.push(`left behind: ${path}`);
      else if (ours === undefined && this.#foreign.get(path) !== sha) problems.push(`altered: the file ${path}`);
      else if (ours !== undefined && !isNameOf(ours.name, path)) problems.push(`misplaced: ${ours.name} as ${path}`);
      found.set(sha, [...(found.get(sha) ?? []), path]);
    }
    for (const [sha, paths] of found) {
      const ours = [...this.#versions.values()].flat().filter((version) => version.sha === sha);
      if (paths.length > Math.max(1, ours.length)) problems.push(`doubled: ${paths.join(', ')}`);
    }
    for (const [path, sha] of this.#foreign)
      if (!path.includes('/') && onExisting !== 'overwrite' && !found.has(sha)) problems.push(`overwritten: ${path}`);
    for (const [name, versions] of this.#versions) {
      const { sha } = versions.at(-1)!;
      if (this.#isSkipped(name) || this.#removedByOthers.has(name)) continue;
      if (onExisting === 'overwrite' && !found.get(sha)?.includes(name)) problems.push(`not the newest: ${name}`);
    }
    return problems;
  }

  async #judgeBucket(): Promise<string[]> {
    const { cloud, bucket } = this.options;
    const problems: string[] = [];
    const archived = new Map<string, string[]>();
    for (const { key } of cloud.objects(bucket).filter((object) => object.key.startsWith(ARCHIVE))) {
      const sha = await cloud.sha256(bucket, key);
      const ours = [...this.#versions.values()].flat().some((version) => version.sha === sha);
      if (!ours && this.#foreign.get(key) !== sha) problems.push(`altered: ${key}`);
      if (ours) archived.set(sha, [...(archived.get(sha) ?? []), key]);
    }
    for (const [sha, keys] of archived) {
      const puts = [...this.#versions.values()].flat().filter((version) => version.sha === sha).length;
      if (keys.length > puts) problems.push(`doubled: ${keys.join(', ')}`);
    }
    for (const { name, sha } of this.#archived)
      if (!archived.has(sha)) problems.push(`overwritten: a version of ${name} in the archive`);
    for (const [key, sha] of this.#foreign)
      if (key.startsWith(ARCHIVE) && (await cloud.sha256(bucket, key)) !== sha) problems.push(`overwritten: ${key}`);
    return problems;
  }

  /** @returns why it must not be gone from the inbox */
  async #findUnsafe({ name, sha }: PutVersion): Promise<string | undefined> {
    const { cloud, bucket, folder } = this.options;
    const landed = filesOf(folder).find(
      (path) => isNameOf(name, path) && sha256(readFileSync(join(folder, path))) === sha,
    );
    if (landed === undefined) return 'no file has it';
    const torn = unsynced.find(folder, landed);
    if (torn.length > 0) return `a power cut would take ${torn.join(', ')}`;
    for (const { key } of cloud.objects(bucket))
      if (key.startsWith(ARCHIVE) && (await cloud.sha256(bucket, key)) === sha) return undefined;
    return 'it is not in the archive';
  }

  /** It stays where it is. */
  #isSkipped(name: string): boolean {
    const { onExisting, folder } = this.options;
    if (onExisting !== 'skip') return false;
    return name === 'there.txt' || (this.#of(name).length > 1 && existsSync(join(folder, name)));
  }

  #of(name: string): PutVersion[] {
    return this.#versions.get(name) ?? [];
  }

  async #put(name: string, bytes: Buffer): Promise<void> {
    const { s3, bucket } = this.options;
    const sent = new PutObjectCommand({ Bucket: bucket, Key: INBOX + name, Body: bytes });
    const { ETag } = await s3.send(sent);
    const version = { name, sha: sha256(bytes), etag: ETag!, sizeBytes: bytes.length };
    this.#versions.set(name, [...this.#of(name), version]);
  }

  async #putForeign(key: string): Promise<void> {
    const bytes = this.options.random.bytes(100);
    this.#foreign.set(key, sha256(bytes));
    await this.options.s3.send(new PutObjectCommand({ Bucket: this.options.bucket, Key: key, Body: bytes }));
  }

  async #read(key: string): Promise<Buffer> {
    const read: Buffer[] = [];
    for await (const bytes of this.options.cloud.readObject(this.options.bucket, key)) read.push(bytes as Buffer);
    return Buffer.concat(read);
  }
}

/** Relative. */
export const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((path) => statSync(join(folder, path), { throwIfNoEntry: false })?.isFile() === true);

/** `a.txt`, or `a (1).txt` */
function isNameOf(name: string, path: string): boolean {
  const plain = path.replace(/ \(\d+\)(?=(\.[^./]*)?$)/, '');
  return plain === name && dirname(path) === dirname(name);
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
