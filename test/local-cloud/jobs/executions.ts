import { type ExecutionView, seconds, summaryOf, viewOf } from './execution-view';
import type { JobStore } from './job-store';
import { type ExecutionRecord, type ExecutionStatus, isPending, type JobRecord } from './records';

export interface Notification {
  readonly topic: string;
  readonly payload: object;
}

/** May be changed while running. */
export interface NotificationSettings {
  /** the list is told also when what is on it is begun: one page of the documentation says so, its example does not */
  notifiesProgress: boolean;
}

const MAX_LISTED = 10;

/** Where executions change: stored first, then ready to be told to their things. */
export class Executions {
  private notifications: Notification[] = [];

  constructor(
    private readonly store: JobStore,
    private readonly now: () => number,
    private readonly documentOf: (job: JobRecord) => unknown,
    private readonly settings: NotificationSettings,
  ) {}

  create(job: JobRecord, things: readonly string[]): void {
    const queuedAtMs = this.now();
    const executions = things.map((thing): ExecutionRecord => {
      const times = { queuedAtMs, updatedAtMs: queuedAtMs };
      return { jobId: job.jobId, thing, executionNumber: 1, status: 'QUEUED', versionNumber: 1, ...times };
    });
    this.watch(things, () => this.store.add(job, executions));
  }

  /** @param statusDetails replace what is there */
  change(
    execution: ExecutionRecord,
    status: ExecutionStatus,
    statusDetails?: Readonly<Record<string, string>>,
    /** -1: no step is timed any longer */
    stepTimeoutMinutes?: number,
  ): void {
    const isBegun = status === 'IN_PROGRESS' && execution.status === 'QUEUED';
    const change = (): void => {
      const nowMs = this.now();
      const job = this.store.findJob(execution.jobId)!;
      if (isBegun) {
        execution.startedAtMs = nowMs;
        if (job.inProgressTimeoutMs !== undefined) execution.jobEndsAtMs = nowMs + job.inProgressTimeoutMs;
      }
      execution.status = status;
      execution.updatedAtMs = nowMs;
      execution.versionNumber++;
      if (statusDetails !== undefined) execution.statusDetails = statusDetails;
      if (stepTimeoutMinutes === -1 || !isPending(execution)) delete execution.stepEndsAtMs;
      else if (stepTimeoutMinutes !== undefined) execution.stepEndsAtMs = nowMs + stepTimeoutMinutes * 60_000;
      if (!isPending(execution)) delete execution.jobEndsAtMs;
      if (job.status === 'IN_PROGRESS' && !this.store.ofJob(job.jobId).some(isPending)) job.status = 'COMPLETED';
      this.store.save();
    };
    this.watch([execution.thing], change, isBegun && this.settings.notifiesProgress);
  }

  delete(job: JobRecord): void {
    const things = this.store.ofJob(job.jobId).map(({ thing }) => thing);
    this.watch(things, () => this.store.remove(job.jobId));
  }

  deleteOne(execution: ExecutionRecord): void {
    this.watch([execution.thing], () => this.store.removeExecution(execution));
  }

  /** What is due by now becomes TIMED_OUT. */
  expire(): void {
    for (const execution of this.store.executions.filter((each) => endOf(each) <= this.now()))
      this.change(execution, 'TIMED_OUT');
  }

  /** Infinity when nothing is timed. */
  nextEndMs(): number {
    return Math.min(...this.store.executions.map(endOf));
  }

  /** What has to be told since it was last asked for. */
  takeNotifications(): Notification[] {
    return this.notifications.splice(0);
  }

  view(execution: ExecutionRecord, includeJobDocument: boolean): ExecutionView {
    const jobDocument = includeJobDocument ? this.documentOf(this.store.findJob(execution.jobId)!) : undefined;
    return { ...viewOf(execution), ...(jobDocument === undefined ? {} : { jobDocument }) };
  }

  private watch(things: readonly string[], change: () => void, tellsList = false): void {
    const before = things.map((thing) => this.store.pendingOf(thing));
    change();
    things.forEach((thing, at) => {
      this.compare(thing, before[at]!, this.store.pendingOf(thing), tellsList);
    });
  }

  private compare(
    thing: string,
    before: readonly ExecutionRecord[],
    after: readonly ExecutionRecord[],
    tellsList: boolean,
  ): void {
    const topic = `$aws/things/${thing}/jobs/notify`;
    const timestamp = seconds(this.now());
    const isSameList = before.length === after.length && before.every((each) => after.includes(each));
    if (tellsList || !isSameList) {
      const listed = after.slice(0, MAX_LISTED);
      const jobs = Object.fromEntries(
        (['IN_PROGRESS', 'QUEUED'] as const)
          .map((status) => [status, listed.filter((each) => each.status === status).map(summaryOf)] as const)
          .filter(([, summaries]) => summaries.length > 0),
      );
      this.notifications.push({ topic, payload: { timestamp, jobs } });
    }
    const [next] = after;
    if (next === before[0]) return;
    const execution = next === undefined ? {} : { execution: this.view(next, true) };
    this.notifications.push({ topic: `${topic}-next`, payload: { timestamp, ...execution } });
  }
}

function endOf({ jobEndsAtMs, stepEndsAtMs }: ExecutionRecord): number {
  return Math.min(jobEndsAtMs ?? Number.POSITIVE_INFINITY, stepEndsAtMs ?? Number.POSITIVE_INFINITY);
}
