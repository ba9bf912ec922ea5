import { type BigIntStats, lstatSync, unlinkSync } from 'node:fs';
import type { Clock } from '../clock';
import { FolderHandle, splitPath } from '../custody/folder-handle';
import type { Spool } from '../custody/spool';
import { compareFingerprints, fingerprintOf, inodeOf } from '../domain/fingerprint';
import { printableName } from '../domain/printable-name';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import { findOpenWriters } from './open-writers';
import type { OutboxRules } from './rules';
import type { SentFolder } from './sent-folder';
import type { KnownUpload, UploadQueue } from './upload-queue';

export interface SentFilesOptions {
  /** Absolute. */
  readonly outbox: string;
  readonly spool: () => Spool | undefined;
  readonly sentFolder: SentFolder | undefined;
  readonly rules: OutboxRules;
  readonly queue: UploadQueue;
  readonly graceMs: number;
  readonly openWriterMs: number;
  /** The file is another version by now. */
  readonly onRestless: (batch: number, path: Buffer) => void;
  readonly clock: Clock;
  readonly log: Log;
}

interface Sent {
  readonly id: number;
  readonly dueMs: number;
  /** When somebody was first seen to hold it for writing. */
  readonly heldSinceMs?: number;
  readonly isTold?: boolean;
}

/** Files looked at in one go; between two goes everything else has its turn. */
const AT_A_TIME = 256;
/** A round looks through the open files of all processes: no more than one a second, where the grace allows. */
const ROUND_MS = 1_000;
const MIN_ROUND_MS = 10;
const HELD_AGAIN_MS = 10_000;
/** Until the version before is gone. */
const BEFORE_AGAIN_MS = 1_000;
const IDLE_MS = 60_000;

/**
 * What becomes of a file when it is delivered, and that is durable: after a moment of grace, and if it is still the
 * version that was sent, it is deleted, or moved to the folder of sent files.
 */
export class SentFiles {
  /** In the order they fall due, but for those that were held. */
  #due: Sent[] = [];
  #at = 0;
  readonly #loop: RunLoop;

  constructor(private readonly options: SentFilesOptions) {
    this.#loop = new RunLoop(() => this.#step(), options.clock);
  }

  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  /** Delivered files that are still there. */
  get count(): number {
    return this.#due.length - this.#at;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  /** The row is done. */
  add(id: number): void {
    const wasIdle = this.count === 0;
    this.#due.push({ id, dueMs: this.options.clock.monotonicMs() + this.options.graceMs });
    if (wasIdle) this.#loop.wake();
  }

  async #step(): Promise<number> {
    const { clock } = this.options;
    const nowMs = clock.monotonicMs();
    const due: Sent[] = [];
    while (due.length < AT_A_TIME && this.#at < this.#due.length && this.#due[this.#at]!.dueMs <= nowMs)
      due.push(this.#due[this.#at++]!);
    if (this.#at > AT_A_TIME && this.#at * 2 > this.#due.length) {
      this.#due = this.#due.slice(this.#at);
      this.#at = 0;
    }
    if (due.length > 0) this.#dispose(due, nowMs);
    this.#prune();
    const next = this.#due[this.#at];
    if (next === undefined) return IDLE_MS;
    const roundMs = due.length === AT_A_TIME ? 0 : Math.min(ROUND_MS, Math.max(MIN_ROUND_MS, this.options.graceMs));
    return Math.max(1, roundMs, next.dueMs - clock.monotonicMs());
  }

  #dispose(due: readonly Sent[], nowMs: number): void {
    const files = due.flatMap((sent) => {
      const row = this.options.queue.find(sent.id);
      const file = row?.state === 'done' ? this.#locate(row) : undefined;
      return file === undefined ? [] : [{ sent, row: row!, ...file }];
    });
    if (files.length === 0) return;
    const { held } = findOpenWriters();
    for (const { sent, row, folder, name, stats } of files) {
      try {
        if (held.has(inodeOf(fingerprintOf(stats)))) this.#due.push(this.#hold(sent, row, nowMs));
        else if (this.#isBeforeThere(row)) this.#due.push({ ...sent, dueMs: nowMs + BEFORE_AGAIN_MS });
        else if (isSameEntry(stats, folder.findEntry(name))) this.#end(row, folder, name);
        else this.add(sent.id); // replaced or written at the last moment: looked at anew
      } finally {
        folder.close();
      }
    }
  }

  /** What is written to a file that has no name any more is lost: as long as a program may, it stays. */
  #hold(sent: Sent, row: KnownUpload, nowMs: number): Sent {
    const heldSinceMs = sent.heldSinceMs ?? nowMs;
    const isLong = nowMs - heldSinceMs >= this.options.openWriterMs;
    if (isLong && sent.isTold !== true)
      this.options.log.warn(
        { id: row.id, path: printableName(row.path), seconds: Math.round((nowMs - heldSinceMs) / 1000) },
        'a delivered file is still held open for writing, and stays until its program closes it',
      );
    return { id: sent.id, dueMs: nowMs + HELD_AGAIN_MS, heldSinceMs, isTold: isLong };
  }

  #prune(): void {
    try {
      this.options.sentFolder?.prune();
    } catch (error) {
      this.options.log.error(
        { reason: (error as Error).message },
        'old files of sentDir could not be removed; check the rights of the folder and its disk',
      );
    }
  }

  /**
   * Whether an older version still lies in the spool. Were the ledger lost with that one alone left, it would be sent
   * again, over this one. One that failed would fail again.
   */
  #isBeforeThere({ path, batch }: KnownUpload): boolean {
    const { queue } = this.options;
    const spool = this.options.spool();
    const before = batch === undefined ? undefined : queue.findBeforeBatch(batch, path);
    if (before?.batch === undefined || before.state === 'failed') return false;
    return lstatSync(spool!.filePath(before.batch, path), { throwIfNoEntry: false }) !== undefined;
  }

  /** @returns undefined when nothing is to be done about it */
  #locate(row: KnownUpload): { folder: FolderHandle; name: Buffer; stats: BigIntStats } | undefined {
    const { outbox } = this.options;
    const spool = this.options.spool();
    if (row.batch === undefined && this.options.rules.treatmentOf(row.path).afterUpload !== 'delete') return undefined;
    if (row.batch !== undefined && spool === undefined) return undefined;
    const { folder: below, name } = splitPath(row.path);
    let folder: FolderHandle | undefined;
    try {
      const root = FolderHandle.open(row.batch === undefined ? outbox : spool!.batchPath(row.batch));
      try {
        folder = root.openBelow(below);
      } finally {
        root.close();
      }
      const stats = folder.findEntry(name);
      if (stats?.isFile()) {
        if (compareFingerprints(row.fingerprint, fingerprintOf(stats)) !== 'changed') return { folder, name, stats };
        // Written after it was sent: in the spool a new version; in the outbox the next look finds it.
        if (row.batch !== undefined) this.options.onRestless(row.batch, row.path);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') this.#tell(row, error as Error);
    }
    folder?.close();
    return undefined;
  }

  #end(row: KnownUpload, folder: FolderHandle, name: Buffer): void {
    const { sentFolder, rules } = this.options;
    const keeps = row.batch !== undefined && rules.treatmentOf(row.path).afterUpload === 'keep';
    try {
      if (keeps && sentFolder !== undefined) sentFolder.take(row.batch!, row.path, folder.child(name));
      else unlinkSync(folder.child(name));
    } catch (error) {
      this.#tell(row, error as Error);
      return;
    }
    if (row.batch !== undefined) this.options.spool()!.removeEmpty(row.batch, row.path);
  }

  #tell(row: KnownUpload, error: Error): void {
    this.options.log.error(
      { id: row.id, path: printableName(row.path), reason: error.message },
      (error as NodeJS.ErrnoException).code === 'EXDEV'
        ? 'a delivered file could not be kept; sentDir has to lie on the file system of the spool'
        : 'a delivered file could not be removed; check the rights of its folder and its disk',
    );
  }
}

/** Nothing happened to it between two looks. */
const isSameEntry = (before: BigIntStats, now: BigIntStats | undefined): boolean =>
  now !== undefined && now.ino === before.ino && now.ctimeNs === before.ctimeNs && now.mtimeNs === before.mtimeNs;
