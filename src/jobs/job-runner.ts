import type { Clock } from '../clock';
import { backoffMs } from '../domain/backoff';
import { asTransferError, hasCode, TransferError } from '../domain/errors';
import { expiresAtMs } from '../domain/signed-url';
import type { Log } from '../log';
import { decideAfterFailure } from './decide-after-failure';
import type { DownloadJob } from './download-job';
import type { Renew } from './fetch-staged';
import { type DocumentRules, type JobOrder, parseJobDocument } from './job-document';
import type { JobExecution } from './job-execution';
import { JobProgress } from './job-progress';
import type { JobQueue } from './job-queue';
import type { JobReports } from './job-reports';
import type { Job, JobsTable } from './jobs-table';
import { type StatusDetails, statusDetails } from './status-details';
import type { JobEnd } from './transitions';
import type { OnWaiting, UploadJob } from './upload-job';

export interface RunnerOptions {
  readonly table: JobsTable;
  readonly queue: JobQueue;
  readonly reports: JobReports;
  readonly rules: DocumentRules;
  /** Absent where files cannot come, or go. */
  readonly download: DownloadJob | undefined;
  readonly upload: UploadJob | undefined;
  /** How long nothing may come over a link that is there, before a job has failed. */
  readonly retryMs: number;
  /** The cloud's time, as learned from it; Unix milliseconds. */
  readonly cloudNowMs: () => number;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
}

/** The execution under way. */
interface Current {
  job: Job;
  readonly progress: JobProgress;
  /** Aborted when the cloud has ended it. */
  readonly over: AbortController;
  /** As the cloud says it. */
  why: string;
  pause: AbortController;
  failures: number;
  expired: number;
  damaged: number;
}

const PAUSE = { baseMs: 2_000, capMs: 300_000 } as const;
/** A URL that has less left is not begun with. */
const MIN_LIFE_MS = 2_000;

/** Runs one execution to its end, over lost links, expired URLs and restarts; the cloud may end it at any time. */
export class JobRunner {
  #current: Current | undefined;

  constructor(private readonly options: RunnerOptions) {}

  /** For a person. */
  get current():
    | { readonly jobId: string; readonly percent: number; readonly waitingFor: string | undefined }
    | undefined {
    if (this.#current === undefined) return undefined;
    const { job, progress } = this.#current;
    return { jobId: job.jobId, percent: progress.percent, waitingFor: progress.waitingFor };
  }

  /** There is a connection again, or news of a file that goes up. */
  wake(): void {
    this.#current?.pause.abort();
  }

  /** Whether the cloud still wants what is under way: it may have been cancelled, or run out of time. */
  async check(signal: AbortSignal): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const why = await this.options.queue.findEnd(current.job, signal);
    if (why !== undefined) this.#abort(current, why);
  }

  /** What was begun to land before we were stopped, whatever the cloud thinks of it by now. */
  async resumeLanding(): Promise<void> {
    const { table, log } = this.options;
    for (const job of table.open().filter(({ state }) => state === 'landing')) {
      try {
        await this.#land(job);
      } catch (cause) {
        const { code, message, recovery } = asTransferError(cause);
        log.warn({ job: job.jobId, code, reason: message }, 'files of a job cannot land');
        if (recovery === 'give-up')
          await table.step(job, 'end', { status: 'FAILED', details: statusDetails({ code, reason: message }) });
      }
    }
  }

  /** What the cloud no longer counts as in progress. @param except the one it does */
  async abandonOthers(except: JobExecution | undefined): Promise<void> {
    const { table, log } = this.options;
    for (const job of table.open()) {
      const isIt =
        job.jobId === except?.jobId &&
        job.executionNumber === except.executionNumber &&
        job.queuedAt === except.queuedAt;
      if (job.state !== 'running' || isIt) continue; // what has begun to land is gone on with, and told
      await this.#tidy(job, true);
      await table.step(job, 'abandon', { outcome: 'superseded' });
      log.warn({ job: job.jobId }, 'the job is over in the cloud');
    }
  }

  /**
   * @returns false when it has ended here before, and is to be told of once more
   * @throws TransferError when it has to be gone on with later
   */
  async run(execution: JobExecution, signal: AbortSignal): Promise<boolean> {
    const { table, reports, clock, log } = this.options;
    let job = await table.begin(execution);
    if (job.state === 'over') job = await table.step(job, job.status === undefined ? 'again' : 'reopen');
    if (job.state === 'reporting') return false;
    const current: Current = {
      job,
      progress: new JobProgress(job, execution.versionNumber, {
        reports,
        clock,
        onMoved: () => Object.assign(current, { failures: 0, expired: 0 }),
        onOver: (why) => this.#abort(current, why),
      }),
      over: new AbortController(),
      why: '',
      pause: new AbortController(),
      failures: 0,
      expired: 0,
      damaged: 0,
    };
    this.#current = current;
    log.info({ job: job.jobId, attempt: job.executionNumber }, 'job begins');
    try {
      await this.#work(current, execution, AbortSignal.any([signal, current.over.signal]));
    } catch (error) {
      if (!current.over.signal.aborted || signal.aborted) throw error;
      await this.#abandon(current);
    } finally {
      await current.progress.end();
      this.#current = undefined;
    }
    return true;
  }

  async #work(current: Current, execution: JobExecution, signal: AbortSignal): Promise<void> {
    const { rules } = this.options;
    let document = execution.document;
    if (execution.status === 'QUEUED') await current.progress.tell({}, signal);
    for (;;) {
      try {
        if (document === undefined && current.job.state === 'running') document = await this.#askFor(current, signal);
        if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
        if (await this.#follow(current, parseJobDocument(document, rules), signal)) return;
        document = undefined; // what was staged is lost
      } catch (cause) {
        const error = asTransferError(cause);
        if (signal.aborted || error.recovery === 'release') throw error;
        if (await this.#failed(current, error, signal)) return;
        if (error.code === 'URL_EXPIRED' || !this.#isFresh(document)) document = undefined;
      }
    }
  }

  /** @returns whether it has ended */
  async #follow(current: Current, order: JobOrder, signal: AbortSignal): Promise<boolean> {
    const { download, upload } = this.options;
    const onProgress = (done: number, total: number): void => current.progress.moved(done, total);
    if (current.job.state === 'landing') return this.#landCurrent(current, true);
    if (order.action === 'reject') return this.#end(current, 'REJECTED', statusDetails({ reason: order.reason }));
    if (order.action === 'download') {
      const renew: Renew = async () => {
        const fresh = parseJobDocument(await this.#askFor(current, signal), this.options.rules);
        return fresh.action === 'download' ? fresh.files : [];
      };
      current.job = await download!.stage(current.job, order.files, renew, onProgress, signal);
      return this.#landCurrent(current, false);
    }
    const problem = upload!.findProblem(order.paths);
    if (problem !== undefined) return this.#end(current, 'REJECTED', statusDetails({ reason: problem }));
    const onWaiting: OnWaiting = (problem, isStuck) => {
      if (isStuck && current.progress.barrenMs >= this.options.retryMs) throw problem;
      current.progress.waiting(problem?.message);
    };
    const details = await upload!.run(current.job, order.paths, onProgress, onWaiting, signal);
    return this.#end(current, 'SUCCEEDED', details);
  }

  /** @returns the document, with fresh URLs @throws TransferError of the bus; STOPPING when it is over */
  async #askFor(current: Current, signal: AbortSignal): Promise<unknown> {
    const found = await this.options.queue.document(current.job, signal);
    if (!('over' in found)) return found.document ?? null;
    this.#abort(current, found.over);
    throw new TransferError('STOPPING', 'it is over');
  }

  async #landCurrent(current: Current, isResumed: boolean): Promise<boolean> {
    current.job = await this.#land(current.job, isResumed);
    return current.job.state === 'reporting';
  }

  /** @returns the row as it is then: reporting, or running again when something staged is lost */
  async #land(job: Job, isResumed = true): Promise<Job> {
    const { table, download, log } = this.options;
    if (download === undefined || !(await download.land(job, isResumed))) return table.step(job, 'miss');
    const ended = await table.step(job, 'end', { status: 'SUCCEEDED' });
    download.discard(job);
    log.info({ job: job.jobId }, 'job succeeded');
    return ended;
  }

  /** @returns true */
  async #end(current: Current, status: JobEnd, details: StatusDetails): Promise<true> {
    const { table, log } = this.options;
    if (status !== 'SUCCEEDED') await this.#tidy(current.job, false);
    current.job = await table.step(current.job, 'end', { status, details });
    if (status === 'SUCCEEDED') await this.#tidy(current.job, false);
    const fields = { job: current.job.jobId, ...(details.reason === undefined ? {} : { reason: details.reason }) };
    if (status === 'SUCCEEDED') log.info(fields, 'job succeeded');
    else log.warn(fields, status === 'FAILED' ? 'job failed' : 'job rejected');
    return true;
  }

  /** @param isUnwanted the cloud wants nothing of it any more, nor hear what has failed */
  async #tidy(job: Job, isUnwanted: boolean): Promise<void> {
    await this.options.upload?.withdraw(job, isUnwanted);
    this.options.download?.discard(job);
    this.options.upload?.discard(job);
  }

  /** @returns whether the job has failed by it */
  async #failed(current: Current, error: TransferError, signal: AbortSignal): Promise<boolean> {
    const { clock, dice, log, retryMs } = this.options;
    const { code, message } = error;
    const isBus = hasCode(error, 'BUS_UNAVAILABLE', 'NO_ANSWER', 'MESSAGE_DENIED');
    if (isBus) throw error; // it goes on when the cloud can be asked again
    current.failures += 1;
    if (code === 'URL_EXPIRED') current.expired += 1;
    if (code === 'DOWNLOAD_DAMAGED') current.damaged += 1;
    if (code === 'DOWNLOAD_DAMAGED' || code === 'OBJECT_CHANGED') current.progress.restart();
    const next = decideAfterFailure(error, { ...current, barrenMs: current.progress.barrenMs }, retryMs);
    if (next.kind === 'fail' && !(next.ifReachable && (await this.#isCutOff(current, signal))))
      return this.#end(current, 'FAILED', statusDetails({ code, reason: message }));
    log.warn({ job: current.job.jobId, code, reason: message }, 'attempt failed, another follows');
    current.progress.waiting(message);
    current.pause = new AbortController();
    if (next.kind === 'fail' || next.pauses)
      await clock.sleep(
        backoffMs(current.failures - 1, PAUSE, dice()),
        AbortSignal.any([current.pause.signal, signal]),
      );
    return false;
  }

  /** Whether it is the device's whole way out that is shut, and not the one to the file: then nothing has failed. */
  async #isCutOff(current: Current, signal: AbortSignal): Promise<boolean> {
    try {
      const why = await this.options.queue.findEnd(current.job, signal);
      if (why !== undefined) this.#abort(current, why);
      return signal.aborted;
    } catch (error) {
      if (!hasCode(error, 'BUS_UNAVAILABLE', 'NO_ANSWER', 'MESSAGE_DENIED')) throw error;
      current.progress.excuse();
      return true;
    }
  }

  #abort(current: Current, why: string): void {
    current.why = why;
    current.over.abort();
  }

  async #abandon(current: Current): Promise<void> {
    const { table, log } = this.options;
    const { job, why } = current;
    log.warn({ job: job.jobId, reason: why }, 'the job is over in the cloud');
    // What has begun to land ends so: half of it would be worse than all.
    const state = job.state === 'landing' ? (await this.#land(job)).state : job.state;
    const now = { ...job, state };
    await this.#tidy(now, true);
    await table.step(now, 'abandon', { outcome: why });
  }

  /** Whether all URLs of it will be good for a while, by the cloud's clock. */
  #isFresh(document: unknown): boolean {
    const order = parseJobDocument(document, this.options.rules);
    if (order.action !== 'download') return order.action === 'upload';
    return order.files.every(({ from }) => {
      const atMs = 'url' in from ? expiresAtMs(from.url) : undefined;
      return atMs === undefined || atMs - this.options.cloudNowMs() > MIN_LIFE_MS;
    });
  }
}
