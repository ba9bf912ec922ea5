import { setImmediate as others } from 'node:timers/promises';
import type { Clock } from '../clock';
import { type Fingerprint, fingerprintOf } from '../domain/fingerprint';
import { findNamesake, printableName } from '../domain/printable-name';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import { decideEnqueue, type KnownUpload } from './decide-enqueue';
import { type FoundFile, walkFolder } from './walk-folder';

/** A version of a file that is to be uploaded. */
export interface QueuedFile {
  readonly path: Buffer;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly fingerprint: Fingerprint;
  readonly replaces: number | undefined;
}

/** Where found files go; handed in by the composition root. */
export interface UploadQueue {
  findLatest(path: Buffer): KnownUpload | undefined;
  /** In this order. Resolves once durable. */
  enqueue(files: readonly QueuedFile[]): Promise<void>;
}

export interface OutboxStatus {
  readonly path: string;
  readonly files: number;
  readonly lastScanAtMs: number | undefined;
  /** Sentences that end with the next step. */
  readonly problems: readonly string[];
}

/** Files queued in one go; within it the oldest first. The first are on their way while the rest is still looked at. */
const BATCH_FILES = 1_024;
/** Looks between two chances for everything else in the process. */
const LOOKS_AT_A_TIME = 256;

/** Looks through an outbox and queues what is new. The look alone decides; there is nothing to miss between two of them. */
export class OutboxScanner {
  #status: OutboxStatus;
  /** Files found in another version than the one known, by this look and by the one before: path → content. */
  #changing = new Map<string, string>();
  #changedBefore = new Map<string, string>();
  /** Of the batch being gathered. */
  readonly #batchNames = new Set<string>();
  #clashes: string[] = [];
  readonly #loop: RunLoop;

  constructor(
    private readonly path: string,
    private readonly rescanMs: number,
    private readonly queue: UploadQueue,
    private readonly onQueued: () => void,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#loop = new RunLoop(() => this.#scan(), clock);
    this.#status = { path, files: 0, lastScanAtMs: undefined, problems: [] };
  }

  get status(): OutboxStatus {
    return this.#status;
  }

  /** Rejects when looking itself broke: a defect, not a folder that cannot be read. */
  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    this.#loop.stop();
    await this.#loop.finished.catch(() => undefined);
  }

  /** @returns milliseconds until the next look */
  async #scan(): Promise<number> {
    const problems: string[] = [];
    this.#clashes = [];
    this.#batchNames.clear();
    this.#changedBefore = this.#changing;
    this.#changing = new Map();
    let batch: QueuedFile[] = [];
    let files = 0;
    let looks = 0;
    for (const found of walkFolder(Buffer.from(this.path))) {
      if (++looks % LOOKS_AT_A_TIME === 0) {
        await others();
        if (this.#loop.isStopping) return 0;
      }
      if (found === undefined) continue;
      if ('cause' in found) {
        problems.push(this.#explain(found.path, found.cause));
        continue;
      }
      files += 1;
      const queued = this.#decide(found);
      if (queued !== undefined) batch.push(queued);
      if (batch.length >= BATCH_FILES) {
        await this.#enqueue(batch);
        batch = [];
      }
    }
    await this.#enqueue(batch);
    problems.push(...this.#clashes);
    for (const problem of problems)
      if (!this.#status.problems.includes(problem)) this.log.error({ reason: problem }, 'look at the outbox');
    this.#status = { path: this.path, files, lastScanAtMs: this.clock.nowMs(), problems };
    return this.rescanMs;
  }

  #decide({ path, stats }: FoundFile): QueuedFile | undefined {
    const fingerprint = fingerprintOf(stats);
    const known = this.queue.findLatest(path);
    const decision = decideEnqueue(known, fingerprint);
    if (decision === 'leave') return undefined;
    const namesake = findNamesake(path);
    if (namesake !== undefined && this.#isQueued(namesake)) {
      this.#clashes.push(
        `${printableName(path)}: two files of the outbox ${this.path} would have this one name in S3, one of them with bytes that are not text; rename one`,
      );
      return undefined;
    }
    this.#batchNames.add(path.toString('latin1'));
    if (decision === 'settle') {
      const name = path.toString('latin1'); // one character per byte
      this.#changing.set(name, fingerprint.content);
      if (this.#changedBefore.get(name) !== fingerprint.content) return undefined;
    }
    return {
      path,
      sizeBytes: Number(stats.size),
      mtimeMs: Number(stats.mtimeNs / 1_000_000n),
      fingerprint,
      replaces: known?.state === 'queued' ? known.id : undefined,
    };
  }

  /** By this look, or an earlier one. */
  #isQueued(path: Buffer): boolean {
    return this.#batchNames.has(path.toString('latin1')) || this.queue.findLatest(path) !== undefined;
  }

  async #enqueue(batch: QueuedFile[]): Promise<void> {
    if (batch.length === 0) return;
    batch.sort((a, b) => a.mtimeMs - b.mtimeMs);
    await this.queue.enqueue(batch);
    this.#batchNames.clear();
    this.log.debug({ count: batch.length }, 'files queued');
    this.onQueued();
  }

  #explain(relative: Buffer, { code }: NodeJS.ErrnoException): string {
    const folder = relative.length === 0 ? this.path : `${this.path}/${printableName(relative)}`;
    const uid = process.getuid?.();
    switch (code) {
      case 'ENOENT':
        return `the outbox ${folder} does not exist; create it: mkdir -p '${folder}'`;
      case 'ENOTDIR':
        return `the outbox ${folder} is not a folder; correct outboxes[].path`;
      case 'EACCES':
      case 'EPERM':
        return `the folder ${folder} cannot be read; let the daemon's user in: setfacl -m u:${uid}:rx '${folder}'`;
      default:
        return `the folder ${folder} cannot be read (${code}); check the disk it lies on`;
    }
  }
}
