import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock';
import { backoffMs, probePauseMs } from '../domain/backoff';
import { asTransferError, hasCode, TransferError } from '../domain/errors';
import type { Link } from '../link/link';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import type { Inbound } from './inbound';
import type { InboxTable } from './inbox-table';
import type { PullAttempt, PullObject } from './pull-object';
import { ENDED } from './transitions';

export interface InboxWorkerOptions {
  readonly table: InboxTable;
  readonly pull: PullObject;
  readonly link: Link;
  readonly parallelObjects: number;
  readonly retryMaxMs: number;
  readonly accountProbeMaxMs: number;
  /** How often an object is looked for that S3 says nothing of. */
  readonly unseenProbeMs: number;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
}

const RETRY_BASE_MS = 1_000;
const IDLE_MS = 60_000;
/** An object that S3 says nothing of, gone or denied, is looked for at growing intervals, and then no more. */
const UNSEEN = { baseMs: 60_000, giveUpMs: 7 * 86_400_000 } as const;
/** A large object may take hours: it never gets the last way down, and a few of them fill any link. */
const LARGE_BYTES = 64 * 1024 * 1024;
const MOST_LARGE = 4;
/** An object in the middle of a step when we are stopped may end it in peace; a large one resumes. */
const STOP_GRACE_MS = 1_500;

/** Takes objects that are due, brings several down side by side, and puts back what failed for its own later attempt. */
export class InboxWorker {
  readonly #active = new Map<number, PullAttempt>();
  readonly #work = new Set<Promise<void>>();
  readonly #loop: RunLoop;
  readonly #cutOff = new AbortController();
  /** Told on change: it is the same for every object. */
  #told: string | undefined;
  #finished: Promise<void> = Promise.resolve();
  #broken: Error | undefined;

  constructor(private readonly options: InboxWorkerOptions) {
    setMaxListeners(0, this.#cutOff.signal);
    this.#loop = new RunLoop(() => this.#step(), options.clock);
  }

  /** Under way, for a person to see. */
  get active(): readonly PullAttempt[] {
    return [...this.#active.values()];
  }

  /** What keeps objects from coming, and is not theirs alone; ends with the next step. */
  get problem(): string | undefined {
    return this.#told;
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

  /** There may be something to do: new rows, a free way, the link is up. */
  wake(): void {
    this.#loop.wake();
  }

  /** Resolves when every step under way is concluded. */
  async stop(): Promise<void> {
    void this.#loop.stop();
    const grace = setTimeout(() => this.#cutOff.abort(), STOP_GRACE_MS);
    await this.#finished.catch(() => undefined);
    clearTimeout(grace);
  }

  /** @returns for how many milliseconds there is nothing to do */
  async #step(): Promise<number> {
    const { table, link, parallelObjects, retryMaxMs, accountProbeMaxMs, unseenProbeMs, clock } = this.options;
    const nowMs = clock.nowMs();
    await table.clampRunAt(nowMs + Math.max(retryMaxMs, accountProbeMaxMs, unseenProbeMs) + IDLE_MS);
    if (link.status.state === 'down') return IDLE_MS; // its coming up wakes us
    while (this.#active.size < parallelObjects) {
      const atMostBytes = this.#hasRoomForLarge() ? Number.MAX_SAFE_INTEGER : LARGE_BYTES;
      const row = table.findDue(nowMs, [...this.#active.keys()], atMostBytes);
      if (row === undefined) break;
      this.#track(row);
    }
    const nextMs = table.nextRunAtMs(nowMs);
    return nextMs === undefined ? IDLE_MS : Math.max(1, Math.min(IDLE_MS, nextMs - clock.nowMs()));
  }

  /** @param but the one that asks */
  #hasRoomForLarge(but?: Inbound): boolean {
    const large = this.active.filter(({ row }) => row.id !== but?.id && isLarge(row)).length;
    return large < Math.max(1, Math.min(MOST_LARGE, this.options.parallelObjects - 1));
  }

  async #untilDrained(): Promise<void> {
    try {
      await this.#loop.finished;
    } finally {
      while (this.#work.size > 0) await Promise.all(this.#work);
    }
    if (this.#broken !== undefined) throw this.#broken;
  }

  /** Work that throws is a defect of ours, or of the ledger: the worker ends, and says so through `finished`. */
  #track(row: Inbound): void {
    const attempt: PullAttempt = { row, remote: undefined, fetchedBytes: 0 };
    this.#active.set(row.id, attempt);
    const tracked = this.#attempt(attempt)
      .catch((error: Error) => {
        this.#broken ??= error;
        void this.#loop.stop();
        this.#cutOff.abort();
      })
      .finally(() => {
        this.#active.delete(row.id);
        this.#work.delete(tracked);
        this.wake();
      });
    this.#work.add(tracked);
  }

  async #attempt(attempt: PullAttempt): Promise<void> {
    const startedMs = this.options.clock.monotonicMs();
    try {
      const mayFetch = (row: Inbound): boolean => !isLarge(row) || this.#hasRoomForLarge(row);
      await this.options.pull.pull(attempt, mayFetch, this.#cutOff.signal);
    } catch (cause) {
      const error = this.#cutOff.signal.aborted
        ? new TransferError('STOPPING', 'stopping', { cause })
        : asTransferError(cause);
      await this.#conclude(attempt.row, error);
      return;
    }
    if (!ENDED.includes(attempt.row.state)) return; // its turn comes
    this.#told = undefined;
    const { id, objectKey: key, sizeBytes, state, outcome, errorMessage } = attempt.row;
    const ms = Math.round(this.options.clock.monotonicMs() - startedMs);
    const reason = errorMessage === undefined ? {} : { reason: errorMessage };
    this.options.log.info(
      { id, key, ...(sizeBytes === undefined ? {} : { sizeBytes }), ms, ...reason },
      outcome ?? state,
    );
  }

  async #conclude(row: Inbound, error: TransferError): Promise<void> {
    const { table, pull, clock, dice, log, retryMaxMs, accountProbeMaxMs } = this.options;
    const fields = { id: row.id, key: row.objectKey, code: error.code, reason: error.message };
    if (ENDED.includes(row.state) || error.recovery === 'release') return;
    if (error.recovery === 'give-up' && !ARCHIVING.has(row.state)) {
      await pull.giveUp(row, error);
      log.error(fields, 'object cannot be taken');
      return;
    }
    if (error.code === 'OBJECT_UNSEEN') return this.#lookAgain(row, error);
    if (error.recovery === 'await-link' && (await this.#isLinkDown(error))) return; // it keeps its place in line
    const isAccount = error.recovery === 'await-account';
    const capMs = isAccount ? accountProbeMaxMs : retryMaxMs;
    const pauseMs = backoffMs(row.failures, { baseMs: RETRY_BASE_MS, capMs }, dice());
    await table.defer(row, clock.nowMs() + pauseMs, error);
    if (!isAccount && error.code !== 'NO_ROOM' && error.code !== 'DISK_FAILED') {
      log.warn(fields, 'attempt failed, another follows');
      return;
    }
    if (this.#told === undefined) log.error(fields, 'objects cannot come down');
    this.#told = error.message;
  }

  /** It is nobody's fault until it is known to be there; whoever asked is told once, and may ask again. */
  async #lookAgain(row: Inbound, error: TransferError): Promise<void> {
    const { table, pull, clock, dice, log, unseenProbeMs } = this.options;
    const fields = { id: row.id, key: row.objectKey, code: error.code, reason: error.message };
    const nowMs = clock.nowMs();
    if (nowMs - row.askedAtMs > UNSEEN.giveUpMs && !ARCHIVING.has(row.state)) {
      await pull.giveUp(row, error);
      log.error(fields, 'object cannot be taken');
      return;
    }
    const isNew = row.errorCode !== 'OBJECT_UNSEEN';
    const pauseMs = probePauseMs(isNew ? 0 : row.failures, { baseMs: UNSEEN.baseMs, capMs: unseenProbeMs }, dice());
    await table.defer(row, nowMs + pauseMs, error, isNew);
    if (isNew) log.warn(fields, 'an object is not there, or denied; it is looked for now and then');
  }

  async #isLinkDown(error: TransferError): Promise<boolean> {
    try {
      return (await this.options.link.verify(error.linkTarget)) === 'down';
    } catch (stopped) {
      if (hasCode(stopped, 'STOPPING')) return true;
      throw stopped;
    }
  }
}

/** From here on the file is safe, and only its way into the archive is left: that is tried on. */
const ARCHIVING: ReadonlySet<string> = new Set(['landed', 'archiving', 'archived']);

const isLarge = ({ sizeBytes = 0 }: Inbound): boolean => sizeBytes > LARGE_BYTES;
