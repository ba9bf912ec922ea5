import type { Clock } from '../clock';
import type { JobReports } from './job-reports';
import type { Job } from './jobs-table';
import { isWorthTelling, percentOf } from './progress';
import { type StatusDetails, statusDetails } from './status-details';

export interface ProgressOptions {
  readonly reports: JobReports;
  /** More of it is here, or gone, than ever before. */
  readonly onMoved: () => void;
  /** The cloud has ended it, and says so. */
  readonly onOver: (why: string) => void;
  readonly clock: Clock;
}

/** What a job waits for is told no more often: each report costs a message both ways. */
const WAITING_MS = 300_000;

/** How far one execution is, and what the cloud is told of it while it goes on. */
export class JobProgress {
  #doneBytes = 0;
  #totalBytes = 0;
  /** Monotonic; of the last byte, or of when there was no way to the cloud. */
  #aliveAtMs: number;
  #told: { readonly percent: number; readonly atMs: number };
  #telling: Promise<void> = Promise.resolve();
  #waitingFor: string | undefined;
  #waitingTold: string | undefined;
  #waitingToldAtMs = Number.NEGATIVE_INFINITY;
  readonly #ended = new AbortController();

  constructor(
    private readonly job: Job,
    /** Of the execution when it was taken up. */
    private readonly version: number,
    private readonly options: ProgressOptions,
  ) {
    this.#aliveAtMs = options.clock.monotonicMs();
    this.#told = { percent: 0, atMs: this.#aliveAtMs };
  }

  get percent(): number {
    return percentOf(this.#doneBytes, this.#totalBytes);
  }

  get waitingFor(): string | undefined {
    return this.#waitingFor;
  }

  /** For so long nothing has come, or gone. */
  get barrenMs(): number {
    return this.options.clock.monotonicMs() - this.#aliveAtMs;
  }

  /** Nothing could: that time does not count. */
  excuse(): void {
    this.#aliveAtMs = this.options.clock.monotonicMs();
  }

  /** It begins anew. */
  restart(): void {
    this.#doneBytes = 0;
  }

  moved(doneBytes: number, totalBytes: number): void {
    this.#totalBytes = totalBytes;
    if (doneBytes <= this.#doneBytes) return; // what was here before an attempt is no progress of it
    const nowMs = this.options.clock.monotonicMs();
    this.#doneBytes = doneBytes;
    this.#aliveAtMs = nowMs;
    this.#waitingFor = undefined;
    this.#waitingTold = undefined;
    this.options.onMoved();
    const { percent } = this;
    if (!isWorthTelling(percent, this.#told, nowMs)) return;
    this.#told = { percent, atMs: nowMs };
    this.#tellLater({ progress: `${percent} %`, bytes: doneBytes, of: totalBytes });
  }

  /** What keeps a file from coming or going: whoever sent the job should know it. */
  waiting(reason: string | undefined): void {
    const nowMs = this.options.clock.monotonicMs();
    this.#waitingFor = reason;
    if (reason === undefined || reason === this.#waitingTold || nowMs < this.#waitingToldAtMs + WAITING_MS) return;
    this.#waitingTold = reason;
    this.#waitingToldAtMs = nowMs;
    this.#tellLater({ progress: `${this.#told.percent} %`, waiting: reason });
  }

  /** @throws TransferError of the bus */
  async tell(details: StatusDetails, signal: AbortSignal): Promise<void> {
    const { reports, onOver } = this.options;
    const ended = await reports.tell(this.job, 'IN_PROGRESS', details, this.version, signal);
    if (ended !== undefined) onOver(ended.over);
  }

  /** What is being told is of no use any more. Resolves when nothing is. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#telling;
  }

  #tellLater(pairs: Parameters<typeof statusDetails>[0]): void {
    this.#telling = this.#telling
      .then(() => this.tell(statusDetails(pairs), this.#ended.signal))
      .catch(() => undefined); // the next one tells more
  }
}
