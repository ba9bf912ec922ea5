import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Component } from '../../src/component';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { SeededRandom } from './seeded-random';

export type OnExisting = 'overwrite' | 'skip' | 'rename';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What lies in the outbox at first, in the order in which it is sent. */
const SIZES = {
  'small.txt': 3 * KIB,
  'replaced.txt': 4 * KIB,
  'vanishing.txt': 2 * KIB,
  'large.bin': 11 * MIB,
  'rewritten.bin': 11 * MIB,
  'taken.txt': 5 * KIB,
  'taken.bin': 6 * MIB,
  'late.bin': 6 * MIB,
  // Two files, one key, where the template says {name}.
  'first/same.txt': 6 * KIB,
  'second/same.txt': 7 * KIB,
};
export type FileName = keyof typeof SIZES;
export const FILE_NAMES = (Object.keys(SIZES) as FileName[]).filter((name) => !name.includes('/'));
/** Keys at which somebody else's object lies, from the start or (`late`) since ours is on its way. */
const FOREIGN: readonly string[] = ['taken.txt', 'taken.bin', 'late.bin'] satisfies FileName[];
export const SINGLE_PUT_MAX_BYTES = 64 * KIB;
export const PART_BYTES = 5 * MIB;

export interface WorkloadOptions {
  readonly dir: string;
  readonly cloud: LocalCloud;
  readonly s3: S3Client;
  readonly bucket: string;
  readonly onExisting: OnExisting;
  readonly files: readonly FileName[];
  readonly random: SeededRandom;
}

/**
 * A few files that meet every way a file can go: one PUT, parts, replaced and rewritten while it is sent (the latter
 * aborts), vanished, and a key that is taken.
 */
export class Workload {
  /** Name of all that ever lay in the outbox, by SHA-256. */
  readonly #versions = new Map<string, string>();
  readonly #foreign = new Map<string, string>();
  readonly #happened = new Set<string>();
  readonly #alteredForAWhile: string[] = [];

  readonly outbox: string;

  constructor(private readonly options: WorkloadOptions) {
    this.outbox = join(options.dir, 'outbox');
  }

  async lay(): Promise<void> {
    const { files } = this.options;
    for (const name of files) mkdirSync(join(this.outbox, dirname(name)), { recursive: true });
    for (const [at, name] of files.entries()) this.#write(join(this.outbox, name), name, SIZES[name], 1_000 + at);
    for (const name of files.filter((each) => each.startsWith('taken'))) await this.#putForeign(name);
  }

  /** What goes on around the device, tied to what it does. */
  async onCall(call: string, key: string): Promise<void> {
    const name = basename(key);
    // The first waits for its next attempt, and the second must wait for it.
    if (call === 'putObject' && name === 'same.txt')
      await this.#once(
        'refuse',
        () => void this.options.cloud.faults.add({ kind: 'slowDown', operation: 'PutObject', key }),
      );
    if (call === 'putObject' && name === 'small.txt')
      await this.#once('vanish', () => rmSync(join(this.outbox, 'vanishing.txt'), { force: true }));
    if (call === 'putObject' && name === 'replaced.txt') {
      await this.#once('replace', () => {
        const beside = join(this.options.dir, 'replaced.new');
        this.#write(beside, name, SIZES[name], 2_000);
        renameSync(beside, join(this.outbox, name));
      });
    }
    if (call === 'uploadPart' && name === 'rewritten.bin')
      await this.#once('rewrite', () => this.#write(join(this.outbox, name), name, SIZES[name], 2_001));
    if (call === 'uploadPart' && name === 'late.bin') await this.#once('foreign', () => this.#putForeign(name));
  }

  /** What ours made of a key is a version that once lay in the outbox, even if a newer one comes over it. */
  async onDelivered(key: string): Promise<void> {
    const { cloud, bucket } = this.options;
    if (!this.#versions.has(await cloud.sha256(bucket, key)))
      this.#alteredForAWhile.push(`altered: ${key} for a while`);
  }

  /** Each file that is there has its present version concluded. */
  isConcluded(component: Component): boolean {
    const newest = new Map<string, { id: number; state: string }>();
    for (const { id, path, state } of component.list(undefined)) if (!newest.has(path)) newest.set(path, { id, state });
    return (
      [...newest.values()].every(({ state }) => state !== 'queued' && state !== 'uploading') &&
      this.#present().every((name) => {
        const row = newest.get(name);
        const mtime = row && component.find(row.id)?.mtime;
        return mtime !== undefined && Date.parse(mtime) === statSync(join(this.outbox, name)).mtimeMs;
      })
    );
  }

  /** @returns what is lost, altered, doubled or left behind, a line each */
  async findProblems(component: Component): Promise<string[]> {
    const problems = [...this.#alteredForAWhile];
    const objects = new Map<string, string[]>();
    for (const { key } of this.options.cloud.objects(this.options.bucket)) {
      const sha = await this.options.cloud.sha256(this.options.bucket, key);
      objects.set(sha, [...(objects.get(sha) ?? []), key]);
      const ours = this.#versions.get(sha);
      if (ours !== undefined && !this.#isKeyOf(ours, key)) problems.push(`misplaced: ${ours} under ${key}`);
      if (ours === undefined && this.#foreign.get(key) !== sha) problems.push(`altered: ${key} is nobody's`);
    }
    for (const [sha, keys] of objects) {
      if (keys.length > 1) problems.push(`doubled: ${this.#versions.get(sha) ?? 'foreign'} under ${keys.join(', ')}`);
    }
    for (const [key, sha] of this.#foreign) {
      if (this.options.onExisting !== 'overwrite' && !objects.get(sha)?.includes(key))
        problems.push(`overwritten: foreign ${key}`);
    }
    for (const name of this.#present()) {
      const there = objects.has(sha256(readFileSync(join(this.outbox, name))));
      if (!there && !this.#mayBeAbsent(name)) problems.push(`lost: ${name}`);
    }
    const rows = component.list(undefined);
    for (const { state, path, code } of rows) {
      if (state === 'queued' || state === 'uploading') problems.push(`not concluded: ${path} is ${state}`);
      if (state === 'failed' && path !== 'vanishing.txt') problems.push(`failed: ${path} ${code}`);
    }
    return problems;
  }

  #present(): string[] {
    return this.options.files.filter((name) => existsSync(join(this.outbox, name)));
  }

  #mayBeAbsent(name: string): boolean {
    if (name === 'first/same.txt') return true; // the second came over it
    return this.options.onExisting === 'skip' && (FOREIGN.includes(name) || name === 'replaced.txt');
  }

  #isKeyOf(name: string, key: string): boolean {
    const last = basename(key);
    const [stem, ext] = basename(name).split('.') as [string, string];
    if (last === basename(name)) return true;
    return this.options.onExisting === 'rename' && last.startsWith(`${stem}-`) && last.endsWith(`.${ext}`);
  }

  async #once(what: string, happen: () => void | Promise<void>): Promise<void> {
    if (this.#happened.has(what)) return;
    this.#happened.add(what);
    await happen();
  }

  #write(file: string, name: string, size: number, mtimeSeconds: number): void {
    const bytes = this.options.random.bytes(size);
    this.#versions.set(sha256(bytes), name);
    writeFileSync(file, bytes);
    utimesSync(file, mtimeSeconds, mtimeSeconds);
  }

  async #putForeign(name: string): Promise<void> {
    const key = `device00/outbox/${name}`;
    const bytes = this.options.random.bytes(100);
    this.#foreign.set(key, sha256(bytes));
    await this.options.s3.send(new PutObjectCommand({ Bucket: this.options.bucket, Key: key, Body: bytes }));
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
