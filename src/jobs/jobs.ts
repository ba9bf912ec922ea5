import type { Clock } from '../clock';
import { probePauseMs } from '../domain/backoff';
import { asTransferError, hasCode } from '../domain/errors';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import { findPending } from './job-execution';
import type { JobQueue } from './job-queue';
import type { JobReports } from './job-reports';
import type { JobRequests } from './job-requests';
import type { JobRunner } from './job-runner';
import type { JobsTable } from './jobs-table';

export interface JobsOptions {
  readonly table: JobsTable;
  readonly requests: JobRequests;
  readonly queue: JobQueue;
  readonly reports: JobReports;
  readonly runner: JobRunner;
  /** What lies about of jobs that need it no more. @param known numbers of the others */
  readonly sweep: (known: readonly number[]) => void;
  /** Answers do not come: what is subscribed may be so no more. */
  readonly onSilence: () => void;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
}

export interface JobsStatus {
  /** Under way. */
  readonly current:
    | { readonly jobId: string; readonly percent: number; readonly waitingFor: string | undefined }
    | undefined;
  /** How the latest ended, newest first. */
  readonly ended: readonly { readonly jobId: string; readonly outcome: string; readonly reason: string | undefined }[];
  /** Ended here, and the cloud does not know yet. */
  readonly unreported: number;
  readonly problems: readonly string[];
}

const PAUSE = { baseMs: 1_000, capMs: 300_000 } as const;
/** A message that says there is a job may be lost. */
const LOOK_MS = 3_600_000;
/** The cloud hands out what it was told the end of: it may do so for ever. */
const AGAIN = { baseMs: 120_000, capMs: LOOK_MS } as const;
const SHOWN = 5;
const REMEMBERED = 100;
const SILENT_TIMES = 2;

/** IoT Jobs for this thing: one after the other, as AWS IoT hands them out. */
export class Jobs {
  readonly #loop: RunLoop;
  readonly #stopping = new AbortController();
  #isListening = false;
  #checking: Promise<void> = Promise.resolve();
  #failures = 0;
  #unanswered = 0;
  /** How often the same was handed out. */
  #again = 0;
  /** Monotonic; subscribing anew costs messages, too. */
  #renewAtMs = 0;
  #problem: string | undefined;

  constructor(private readonly options: JobsOptions) {
    this.#loop = new RunLoop(() => this.#step(), options.clock);
  }

  get status(): JobsStatus {
    const { table, runner } = this.options;
    const latest = table.latest(SHOWN);
    return {
      current: runner.current,
      ended: latest.flatMap(({ state, jobId, outcome, details }) =>
        state === 'over' || state === 'reporting'
          ? [{ jobId, outcome: outcome ?? 'over', reason: details.reason }]
          : [],
      ),
      unreported: table.open().filter(({ state }) => state === 'reporting').length,
      problems: this.#problem === undefined ? [] : [this.#problem],
    };
  }

  /** Rejects when the ledger broke. */
  get finished(): Promise<unknown> {
    return this.#loop.finished;
  }

  start(): this {
    const { table, sweep } = this.options;
    // Of one that has only to be told of nothing is needed any more: it may have been stopped before it was cleared away.
    sweep(table.open().flatMap(({ id, state }) => (state === 'reporting' ? [] : [id])));
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop.stop();
    await this.#checking;
  }

  /** Everything that has to be heard is subscribed: what was missed meanwhile is asked for. */
  listening(): void {
    this.#isListening = true;
    this.#failures = 0;
    this.options.requests.giveUp();
    this.options.runner.wake();
    this.#check();
    this.#loop.wake();
  }

  /** Something a job waits for may have come about. */
  wake(): void {
    this.options.runner.wake();
  }

  /** A message on one of the topics of `JobQueue`. */
  message(topic: string, payload: Buffer): void {
    const { requests, runner } = this.options;
    const tail = topic.slice(requests.prefix.length);
    if (tail !== 'notify' && tail !== 'notify-next') {
      requests.take(topic, payload);
      return;
    }
    const current = runner.current;
    if (current === undefined) this.#loop.wake();
    else if (tail === 'notify' && !namesInProgress(payload, current.jobId)) this.#check();
  }

  #check(): void {
    this.#checking = this.options.runner.check(this.#stopping.signal).catch((error: unknown) => {
      const { code, message: reason } = asTransferError(error);
      this.options.log.debug({ code, reason }, 'not known whether the job goes on');
    });
  }

  /** @returns for how many milliseconds there is nothing to do */
  async #step(): Promise<number> {
    const { queue, runner, table, dice } = this.options;
    const { signal } = this.#stopping;
    await runner.resumeLanding();
    if (!this.#isListening) return LOOK_MS; // which wakes us
    try {
      await this.#report(signal);
      const execution = await queue.next(signal);
      this.#answered();
      await runner.abandonOthers(execution);
      if (execution === undefined) {
        await table.prune(REMEMBERED);
        return probePauseMs(0, { baseMs: LOOK_MS, capMs: LOOK_MS }, dice());
      }
      if (!(await runner.run(execution, signal))) return probePauseMs(this.#again++, AGAIN, dice());
      this.#again = 0;
      return 0;
    } catch (error) {
      return this.#putOff(error);
    }
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { table, reports, log } = this.options;
    for (const job of table.open().filter(({ state }) => state === 'reporting')) {
      const ended = await reports.tell(job, job.status!, job.details, job.versionNumber, signal);
      if (ended !== undefined && ended.over !== job.status) {
        const outcome = `${job.status}, untold: ${ended.over}`;
        if (outcome !== job.outcome)
          log.warn(
            { job: job.jobId, reason: ended.over },
            'the job was over in the cloud before its end could be told',
          );
        await table.step(job, 'abandon', { outcome });
      } else await table.step(job, 'accept');
    }
  }

  #answered(): void {
    this.#failures = 0;
    this.#unanswered = 0;
    this.#problem = undefined;
  }

  #putOff(cause: unknown): number {
    const { dice, log, onSilence } = this.options;
    if (this.#stopping.signal.aborted) return 0;
    const error = asTransferError(cause);
    if (error.code === 'UNEXPECTED') throw cause;
    const { code, message } = error;
    const nowMs = this.options.clock.monotonicMs();
    if (hasCode(error, 'NO_ANSWER') && ++this.#unanswered >= SILENT_TIMES && nowMs >= this.#renewAtMs) {
      this.#renewAtMs = nowMs + LOOK_MS;
      onSilence();
    }
    if (hasCode(error, 'MESSAGE_DENIED')) {
      if (this.#problem === undefined) log.error({ code, reason: message }, 'no jobs');
      this.#problem = message;
      return LOOK_MS;
    }
    log.debug({ code, reason: message }, 'jobs cannot be asked for now');
    return probePauseMs(this.#failures++, PAUSE, dice());
  }
}

/** Whether the list of those not ended still has it. What cannot be read says nothing. */
function namesInProgress(payload: Buffer, jobId: string): boolean {
  try {
    return findPending(JSON.parse(payload.toString()))?.inProgress.includes(jobId) ?? true;
  } catch {
    return true;
  }
}
