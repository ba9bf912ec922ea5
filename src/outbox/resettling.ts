import { type BigIntStats, lstatSync } from 'node:fs';
import type { Clock } from '../clock';
import { joinPath } from '../custody/folder-handle';
import type { Spool } from '../custody/spool';
import { syncFileSystem } from '../custody/sync-file-system';
import { walkFolder } from '../custody/walk-folder';
import { compareFingerprints, type Fingerprint, fingerprintOf, inodeOf } from '../domain/fingerprint';
import { printableName } from '../domain/printable-name';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import { noteForEmpty } from './note-empty';
import { findOpenWriters } from './open-writers';
import type { OutboxRules } from './rules';
import type { KnownUpload, UploadQueue } from './upload-queue';

interface Restless {
  readonly batch: number;
  readonly path: Buffer;
  readonly fingerprint: Fingerprint | undefined;
  readonly sinceMs: number;
  /** When it was first held for writing, since it settled. */
  readonly heldSinceMs: number | undefined;
}

interface Settled {
  readonly file: Restless;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly fingerprint: Fingerprint;
}

const LOOK_MS = 1_000;
const IDLE_MS = 60_000;
const MIN_LOOK_MS = 20;
const GONE: ReadonlySet<string> = new Set(['ENOTDIR', 'ENAMETOOLONG', 'ELOOP']);

/**
 * Claimed files that somebody still writes to: they stay in their batch until they settle again, and then become a new
 * version. Their folder of the outbox may hold a newer file of that name by now.
 */
export class Resettling {
  readonly #files = new Map<string, Restless>();
  readonly #loop: RunLoop;
  #isRefused = false;

  constructor(
    private readonly spool: () => Spool | undefined,
    private readonly rules: OutboxRules,
    private readonly queue: UploadQueue,
    private readonly openWriterMs: number,
    private readonly onQueued: () => void,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#loop = new RunLoop(() => this.#look(), clock);
  }

  get count(): number {
    return this.#files.size;
  }

  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  add(batch: number, path: Buffer): void {
    const name = nameOf(batch, path);
    if (this.#files.has(name)) return;
    const sinceMs = this.clock.monotonicMs();
    this.#files.set(name, { batch, path, fingerprint: undefined, sinceMs, heldSinceMs: undefined });
    this.#loop.wake();
  }

  async #look(): Promise<number> {
    const spool = this.spool();
    if (this.#files.size === 0 || spool === undefined) return IDLE_MS;
    const nowMs = this.clock.monotonicMs();
    let settleMs = LOOK_MS;
    const settled: Settled[] = [];
    for (const [name, file] of this.#files) {
      const stats = this.#statsOf(spool, file);
      if (stats === 'later') continue;
      if (stats?.isFile() !== true) {
        this.#files.delete(name);
        if (stats?.isDirectory() === true) this.#addAllBelow(spool, file);
        continue;
      }
      const fingerprint = fingerprintOf(stats);
      const treatment = this.rules.treatmentOf(file.path);
      settleMs = Math.min(settleMs, Math.max(MIN_LOOK_MS, treatment.settleMs));
      const isSame = file.fingerprint !== undefined && compareFingerprints(file.fingerprint, fingerprint) === 'same';
      if (!isSame) this.#files.set(name, { ...file, fingerprint, sinceMs: nowMs });
      if ((isSame && nowMs - file.sinceMs >= treatment.settleMs) || treatment.settleMs === 0)
        settled.push({
          file,
          fingerprint,
          sizeBytes: Number(stats.size),
          mtimeMs: Number(stats.mtimeNs / 1_000_000n),
        });
    }
    await this.#enqueue(spool, settled, nowMs);
    return settleMs;
  }

  /** @returns undefined when it is gone */
  #statsOf(spool: Spool, { batch, path }: Restless): BigIntStats | 'later' | undefined {
    try {
      return lstatSync(spool.filePath(batch, path), { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      return GONE.has((error as NodeJS.ErrnoException).code ?? '') ? undefined : 'later'; // its disk may come back
    }
  }

  /** A folder that took the place of a file at the last moment was moved with all that is in it. */
  #addAllBelow(spool: Spool, { batch, path }: Restless): void {
    for (const found of walkFolder(spool.filePath(batch, path), { isIgnored: () => false }))
      if (found !== undefined && 'stats' in found) this.add(batch, joinPath(path, found.path));
  }

  async #enqueue(spool: Spool, settled: readonly Settled[], nowMs: number): Promise<void> {
    if (settled.length === 0) return;
    const { held } = findOpenWriters();
    const free = settled.filter(({ file, fingerprint }) => {
      if (!held.has(inodeOf(fingerprint))) return true;
      const heldSinceMs = file.heldSinceMs ?? nowMs;
      this.#files.set(nameOf(file.batch, file.path), { ...file, heldSinceMs });
      return nowMs - heldSinceMs >= this.openWriterMs;
    });
    if (free.length === 0) return;
    if (!(await this.#sync(spool))) return;
    await this.queue.enqueue(
      free.map(({ file: { batch, path }, sizeBytes, mtimeMs, fingerprint }) => {
        const before = this.queue.findInBatch(batch, path);
        return {
          path,
          batch,
          sizeBytes,
          mtimeMs,
          fingerprint,
          replaces: undefined,
          isLate: () => isNewer(this.queue.findLatest(path), batch),
          note: this.#noteFor(before, sizeBytes),
        };
      }),
    );
    for (const { file } of free) this.#files.delete(nameOf(file.batch, file.path));
    this.onQueued();
  }

  /**
   * Written since they were claimed, or claimed while the disk refused: data and names on disk before a row speaks of
   * them. @returns whether they are
   */
  async #sync(spool: Spool): Promise<boolean> {
    try {
      await syncFileSystem(spool.folder);
      this.#isRefused = false;
      return true;
    } catch (error) {
      if (!this.#isRefused)
        this.log.error(
          { reason: String(error) },
          'claimed files cannot be made durable; check their disk, it is tried again',
        );
      this.#isRefused = true;
      return false;
    }
  }

  #noteFor(before: KnownUpload | undefined, sizeBytes: number): string | undefined {
    if (before === undefined || sizeBytes >= before.sizeBytes) return noteForEmpty(sizeBytes);
    const note = `had ${before.sizeBytes} bytes when it was claimed, has ${sizeBytes} now; delivered as it is`;
    this.log.error({ path: printableName(before.path), sizeBytes, reason: note }, 'a claimed file became shorter');
    return note;
  }
}

/** Whether a row speaks of a version that came after the files of this batch. */
const isNewer = (row: KnownUpload | undefined, batch: number): boolean =>
  row !== undefined && row.state !== 'superseded' && (row.batch === undefined || row.batch > batch);

const nameOf = (batch: number, path: Buffer): string => `${batch}/${path.toString('latin1')}`;
