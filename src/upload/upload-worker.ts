import { asTransferError, TransferError } from '../domain/errors';
import { RunLoop } from '../run-loop';
import { AttemptConcluder, type ConcluderOptions, type ConcluderSource } from './attempt-concluder';
import type { FilePlace } from './open-file';
import { type Delivery, UploadAttempt } from './upload-attempt';
import type { Upload } from './upload-row';

/** An outbox as the worker sees it. */
export interface UploadSource extends ConcluderSource {
  readonly outboxId: number;
  /** Where the file of a row lies. */
  readonly fileOf: (row: Upload) => FilePlace;
  readonly priority: number;
  readonly newestFirst: boolean;
}

/** Limits and priorities are read at each use: they may change while it runs. */
export interface WorkerOptions extends ConcluderOptions {
  readonly send: SendFile;
  readonly sources: readonly UploadSource[];
  readonly parallelFiles: number;
}

/** What sends one file; ends in a delivery or a TransferError. */
export type SendFile = (attempt: UploadAttempt, signal: AbortSignal) => Promise<Delivery>;

/**
 * Rows taken ahead, so that a slot never waits for a commit: many small files, few large ones, or what comes with a
 * higher priority would wait behind them.
 */
const AHEAD = { files: 256, bytes: 8 * 1024 * 1024 } as const;
/** A small file under way when we are stopped may end in peace; a large one resumes. */
const STOP_GRACE_MS = 1_500;

/** Takes rows that are due, sends them side by side, and concludes each in the ledger. */
export class UploadWorker {
  readonly #active = new Set<UploadAttempt>();
  /** With the row that each is for. */
  readonly #work = new Map<Promise<void>, number>();
  #ahead: Upload[] = [];
  #taking: Promise<readonly Upload[]> = Promise.resolve([]);
  /** Rows that nobody wants sent any more. */
  readonly #unwanted = new Set<number>();
  readonly #sourceOf: ReadonlyMap<number, UploadSource>;
  readonly #loop: RunLoop;
  #finished: Promise<void> = Promise.resolve();
  #broken: Error | undefined;
  readonly #concluder: AttemptConcluder;

  constructor(private readonly options: WorkerOptions) {
    this.#concluder = new AttemptConcluder(options);
    this.#loop = new RunLoop(() => this.#step(), options.clock);
    this.#sourceOf = new Map(options.sources.map((source) => [source.outboxId, source]));
  }

  /** Under way, for a person to see. */
  get active(): readonly UploadAttempt[] {
    return [...this.#active];
  }

  /** Rejects when the worker itself broke: the process should end and be started again. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  start(): this {
    this.#loop.start();
    this.#finished = this.#untilDrained();
    return this;
  }

  /** There may be something to do: new rows, a free slot, the link is up. */
  wake(): void {
    this.#loop.wake();
  }

  /** Resolves when every attempt is concluded. */
  async stop(): Promise<void> {
    void this.#loop.stop();
    const grace = setTimeout(() => this.#cutOff(this.#active), STOP_GRACE_MS);
    await this.#finished.catch(() => undefined);
    clearTimeout(grace);
  }

  /**
   * Nobody wants these rows sent any more. What is under way is cut off, unless it is just being delivered.
   * Resolves when none of them is open: nobody reads their files any more.
   */
  async withdraw(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#unwanted.add(id);
    try {
      await this.options.table.withdraw(ids);
      await this.#taking; // it may have been first
      this.#putBack((row) => this.#unwanted.has(row.id));
      this.#cutOff([...this.#active].filter(({ row }) => this.#unwanted.has(row.id)));
      await Promise.all([...this.#work].flatMap(([work, id]) => (this.#unwanted.has(id) ? [work] : [])));
    } finally {
      for (const id of ids) this.#unwanted.delete(id);
    }
  }

  /** @returns for how many milliseconds there is nothing to do */
  async #step(): Promise<number> {
    const { clock } = this.options;
    const looked = { wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
    this.#startAhead();
    if (await this.#takeAhead(looked.wallMs)) return 0;
    await this.#forgetFarFuture();
    return this.#idleMs(looked);
  }

  async #untilDrained(): Promise<void> {
    try {
      await this.#loop.finished;
    } finally {
      await this.#drain();
    }
    if (this.#broken !== undefined) throw this.#broken;
  }

  async #drain(): Promise<void> {
    this.#putBack(() => true);
    while (this.#work.size > 0) await Promise.all(this.#work.keys());
  }

  #putBack(isOut: (row: Upload) => boolean): void {
    const rows = this.#ahead.filter(isOut);
    this.#ahead = this.#ahead.filter((row) => !rows.includes(row));
    for (const row of rows) this.#track(this.#release(row), row);
  }

  #cutOff(attempts: Iterable<UploadAttempt>): void {
    for (const attempt of attempts) attempt.cutOff();
  }

  #startAhead(): void {
    if (this.#loop.isStopping) return;
    while (this.#ahead.length > 0 && this.#active.size < this.options.parallelFiles) {
      const row = this.#ahead.shift()!;
      const source = this.#sourceOf.get(row.outboxId)!;
      if (this.options.link.status.state === 'down' || this.options.gate.admits(source.prefix) < 1) {
        this.#track(this.#release(row), row); // closed since it was taken: back in line, so that others may pass
        continue;
      }
      this.options.gate.enter(source.prefix);
      const attempt = new UploadAttempt(row, source.fileOf(row), this.options.clock.monotonicMs());
      this.#active.add(attempt);
      this.#track(
        this.#attempt(attempt, source).finally(() => {
          this.#active.delete(attempt);
          this.#startAhead();
        }),
        row,
      );
    }
  }

  /** Work that throws is a defect of ours, or of the ledger: the worker ends, and says so through `finished`. */
  #track(work: Promise<void>, { id }: Upload): void {
    const tracked = work
      .catch((error: Error) => {
        this.#broken ??= error;
        void this.#loop.stop();
        this.#cutOff(this.#active);
      })
      .finally(() => {
        this.#work.delete(tracked);
        this.wake();
      });
    this.#work.set(tracked, id);
  }

  /** @returns whether anything was taken */
  async #takeAhead(nowMs: number): Promise<boolean> {
    if (this.options.link.status.state === 'down' || this.#ahead.length > AHEAD.files / 2) return false;
    const aheadBytes = this.#ahead.reduce((sum, row) => sum + row.sizeBytes, 0);
    if (this.#ahead.length >= this.options.parallelFiles && aheadBytes > AHEAD.bytes / 2) return false;
    let taken = 0;
    for (const source of [...this.#sourceOf.values()].sort((a, b) => b.priority - a.priority)) {
      const limit = Math.min(AHEAD.files - this.#ahead.length, this.#roomFor(source));
      if (limit < 1) continue;
      this.#taking = this.options.table.take({
        outboxId: source.outboxId,
        newestFirst: source.newestFirst,
        limit,
        atLeast: this.options.parallelFiles,
        limitBytes: AHEAD.bytes - aheadBytes,
        nowMs,
        busyKeys: new Set([...this.active.map(({ row }) => row.objectKey), ...this.#ahead.map((row) => row.objectKey)]),
      });
      const rows = await this.#taking;
      this.#ahead.push(...rows);
      taken += rows.length;
      this.#startAhead();
    }
    return taken > 0;
  }

  /** A probe of something that refused goes alone. */
  #roomFor(source: UploadSource): number {
    const admitted = this.options.gate.admits(source.prefix);
    return Number.isFinite(admitted) && this.#ahead.some((row) => row.outboxId === source.outboxId) ? 0 : admitted;
  }

  /**
   * Until something becomes due that was not when we looked. What was due then and could not start waits for a slot,
   * the link or a probe, and each of these wakes us.
   */
  #idleMs(looked: { readonly wallMs: number; readonly monotonicMs: number }): number {
    const { clock, table, gate } = this.options;
    const runAtMs = table.nextRunAtMs(looked.wallMs);
    const probeAtMs = gate.nextProbeAtMs(looked.monotonicMs);
    const waits = [
      runAtMs === undefined ? IDLE_MS : runAtMs - clock.nowMs(),
      probeAtMs === undefined ? IDLE_MS : probeAtMs - clock.monotonicMs(),
    ];
    return Math.max(1, Math.ceil(Math.min(IDLE_MS, ...waits)));
  }

  /** A wall clock that was years ahead must not hold files back once it is right. */
  async #forgetFarFuture(): Promise<void> {
    const latestMs =
      this.options.clock.nowMs() + Math.max(this.options.retryMaxMs, this.options.accountProbeMaxMs) + IDLE_MS;
    await this.options.table.clampRunAt(latestMs);
  }

  async #attempt(attempt: UploadAttempt, source: UploadSource): Promise<void> {
    let delivery: Delivery;
    try {
      delivery = await this.options.send(attempt, attempt.signal);
    } catch (cause) {
      const error = attempt.signal.aborted
        ? new TransferError('STOPPING', 'stopping', { cause })
        : asTransferError(cause);
      await this.#concluder.fail(attempt, source, error, () => this.#unwanted.has(attempt.row.id));
      return;
    }
    this.options.gate.succeeded(source.prefix);
    this.#active.delete(attempt); // its slot is free while the ledger commits
    this.#startAhead();
    await this.#concluder.deliver(attempt, source, delivery);
  }

  async #release(row: Upload): Promise<void> {
    await this.#concluder.putBack(row, this.#unwanted.has(row.id));
  }
}

/** Longest sleep: a look costs a few microseconds, and nothing is written. */
const IDLE_MS = 60_000;
