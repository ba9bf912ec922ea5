import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  futimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Component } from '../../src/component';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { SeededRandom } from './seeded-random';
import { SpoolView } from './spool-view';

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
  readonly claim: 'move' | 'leave';
  readonly dir: string;
  readonly cloud: LocalCloud;
  readonly s3: S3Client;
  readonly bucket: string;
  readonly onExisting: OnExisting;
  readonly files: readonly FileName[];
  readonly random: SeededRandom;
}

interface LaidVersion {
  readonly name: string;
  readonly number: number;
  /** Replaced, rewritten or removed before anybody could send it. */
  mayBeAbsent: boolean;
}

/**
 * A few files that meet every way a file can go: one PUT, parts, replaced and rewritten while it is sent (the latter
 * aborts), vanished, and a key that is taken.
 */
export class Workload {
  /** All that ever lay in the outbox, by SHA-256. */
  readonly #versions = new Map<string, LaidVersion>();
  readonly #foreign = new Map<string, string>();
  readonly #happened = new Set<string>();
  readonly #wrongForAWhile: string[] = [];
  readonly #delivered = new Set<string>();
  /** The version of ours that last came to a key. */
  readonly #lastOf = new Map<string, LaidVersion>();
  /** A producer that never closes its file, whoever takes it meanwhile. */
  #rewriter: number | undefined;

  readonly outbox: string;

  constructor(private readonly options: WorkloadOptions) {
    this.outbox = join(options.dir, 'outbox');
  }

  async lay(): Promise<void> {
    const { files } = this.options;
    for (const name of files) mkdirSync(join(this.outbox, dirname(name)), { recursive: true });
    for (const [at, name] of files.entries()) this.#write(join(this.outbox, name), name, SIZES[name], 1_000 + at);
    for (const name of files.filter((each) => each.startsWith('taken'))) await this.#putForeign(name);
    if (files.includes('rewritten.bin')) this.#rewriter = openSync(join(this.outbox, 'rewritten.bin'), 'r+');
  }

  close(): void {
    if (this.#rewriter !== undefined) closeSync(this.#rewriter);
    this.#rewriter = undefined;
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
      await this.#once('vanish', () => {
        this.#isLost('vanishing.txt');
        rmSync(join(this.outbox, 'vanishing.txt'), { force: true });
      });
    if (call === 'putObject' && name === 'replaced.txt') {
      await this.#once('replace', () => {
        const beside = join(this.options.dir, 'replaced.new');
        this.#isLost(name);
        this.#write(beside, name, SIZES[name], 2_000);
        renameSync(beside, join(this.outbox, name));
      });
    }
    if (call === 'uploadPart' && name === 'rewritten.bin')
      await this.#once('rewrite', () => this.#rewrite(name, SIZES[name], 2_001));
    if (call === 'uploadPart' && name === 'late.bin') await this.#once('foreign', () => this.#putForeign(name));
  }

  /** What ours made of a key is a version that once lay in the outbox, even if a newer one comes over it. */
  async onDelivered(key: string): Promise<void> {
    const { cloud, bucket } = this.options;
    const sha = await cloud.sha256(bucket, key);
    const version = this.#versions.get(sha);
    if (version === undefined) {
      this.#wrongForAWhile.push(`altered: ${key} for a while`);
      return;
    }
    this.#delivered.add(sha);
    const before = this.#lastOf.get(key);
    if (before?.name === version.name && before.number > version.number)
      this.#wrongForAWhile.push(`older over newer: ${key} for a while`);
    this.#lastOf.set(key, version);
  }

  /** Each file that is there has its present version concluded; a claimed one is gone for good. */
  isConcluded(component: Component): boolean {
    if (this.options.claim === 'move' && (this.#present().length > 0 || !this.#isSpoolEmpty(component))) return false;
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
    const problems = [...this.#wrongForAWhile];
    const objects = new Map<string, string[]>();
    for (const { key } of this.options.cloud.objects(this.options.bucket)) {
      const sha = await this.options.cloud.sha256(this.options.bucket, key);
      objects.set(sha, [...(objects.get(sha) ?? []), key]);
      const ours = this.#versions.get(sha)?.name;
      if (ours !== undefined && !this.#isKeyOf(ours, key)) problems.push(`misplaced: ${ours} under ${key}`);
      if (ours === undefined && this.#foreign.get(key) !== sha) problems.push(`altered: ${key} is nobody's`);
    }
    for (const [sha, keys] of objects) {
      if (keys.length > 1)
        problems.push(`doubled: ${this.#versions.get(sha)?.name ?? 'foreign'} under ${keys.join(', ')}`);
    }
    for (const [key, sha] of this.#foreign) {
      if (this.options.onExisting !== 'overwrite' && !objects.get(sha)?.includes(key))
        problems.push(`overwritten: foreign ${key}`);
    }
    for (const name of this.#present()) {
      const there = objects.has(sha256(readFileSync(join(this.outbox, name))));
      if (!there && !this.#mayBeAbsent(name)) problems.push(`lost: ${name}`);
    }
    if (this.options.claim === 'move') problems.push(...this.#findLostClaims(objects));
    const rows = component.list(undefined);
    for (const { state, path, code } of rows) {
      if (state === 'queued' || state === 'uploading') problems.push(`not concluded: ${path} is ${state}`);
      if (state === 'failed' && path !== 'vanishing.txt') problems.push(`failed: ${path} ${code}`);
    }
    return problems;
  }

  /** What is claimed is delivered, each version of it, and the last one stays. */
  #findLostClaims(objects: ReadonlyMap<string, unknown>): string[] {
    const problems: string[] = [];
    const newest = new Map([...this.#versions].map(([sha, { name }]) => [name, sha]));
    for (const [sha, { name, number, mayBeAbsent }] of this.#versions) {
      if (mayBeAbsent || this.#mayBeAbsent(name)) continue;
      if (objects.has(sha)) continue; // also what was stored while its life was ending, and nobody noted
      if (!this.#delivered.has(sha)) problems.push(`lost: ${name}, version ${number}`);
      else if (newest.get(name) === sha) problems.push(`lost: ${name} was delivered, and is gone`);
    }
    return problems;
  }

  #isSpoolEmpty(component: Component): boolean {
    const spool = component.status().outboxes[0]?.spool;
    return spool !== undefined && new SpoolView(spool).entries().length === 0;
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
    this.#remember(name, bytes);
    writeFileSync(file, bytes);
    utimesSync(file, mtimeSeconds, mtimeSeconds);
  }

  /** The same file, wherever it is by now. */
  #rewrite(name: string, size: number, mtimeSeconds: number): void {
    const bytes = this.options.random.bytes(size);
    for (const version of this.#versions.values()) if (version.name === name) version.mayBeAbsent = true;
    this.#remember(name, bytes);
    writeSync(this.#rewriter!, bytes, 0, size, 0);
    futimesSync(this.#rewriter!, mtimeSeconds, mtimeSeconds);
  }

  #remember(name: string, bytes: Buffer): void {
    this.#versions.set(sha256(bytes), { name, number: this.#versions.size, mayBeAbsent: false });
  }

  /** What lies in the outbox under a name will not be there any more. */
  #isLost(name: string): void {
    if (!existsSync(join(this.outbox, name))) return;
    for (const version of this.#versions.values()) if (version.name === name) version.mayBeAbsent = true;
  }

  async #putForeign(name: string): Promise<void> {
    const key = `device00/outbox/${name}`;
    const bytes = this.options.random.bytes(100);
    this.#foreign.set(key, sha256(bytes));
    await this.options.s3.send(new PutObjectCommand({ Bucket: this.options.bucket, Key: key, Body: bytes }));
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
