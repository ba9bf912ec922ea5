import { stateOf, summaryOf } from './execution-view';
import type { Executions } from './executions';
import type { JobStore } from './job-store';
import { JobsError } from './jobs-error';
import type { JobsTopic } from './parse-jobs-topic';
import { type ExecutionRecord, type ExecutionStatus, isPending } from './records';
import type { RequestBody } from './request-body';

/** Where the documentation leaves it open, or the real service is seen to do otherwise; may be changed while running. */
export interface JobsDataSettings {
  /** nothing pending is told by `execution: {}` instead of by its absence */
  tellsEmptyExecution: boolean;
  /** a late update with an outdated version is a VersionMismatch, and not first of all an InvalidStateTransition */
  checksVersionFirst: boolean;
}

const MAX_LISTED = 10;
const JOB_ID = /^[a-zA-Z0-9_-]{1,64}$/;
/** What a device may say. */
const REPORTED: readonly ExecutionStatus[] = ['IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'REJECTED'];

/** What devices may ask for. */
export class JobsData {
  constructor(
    private readonly store: JobStore,
    private readonly executions: Executions,
    private readonly settings: JobsDataSettings,
  ) {}

  /** @returns what is accepted, besides the token and the time @throws JobsError */
  perform({ thing, operation, jobId }: JobsTopic, body: RequestBody): object {
    switch (operation) {
      case 'GetPendingJobExecutions':
        return this.getPending(thing);
      case 'StartNextPendingJobExecution':
        return this.startNext(thing, body);
      case 'DescribeJobExecution':
        return this.describe(thing, jobId!, body);
      case 'UpdateJobExecution':
        return this.update(thing, jobId!, body);
      default:
        throw new JobsError('InvalidTopic', 'The topic does not map to any operation of the service.');
    }
  }

  private getPending(thing: string): object {
    const pending = this.store.pendingOf(thing).slice(0, MAX_LISTED);
    const those = (wanted: ExecutionStatus) => pending.filter(({ status }) => status === wanted).map(summaryOf);
    return { inProgressJobs: those('IN_PROGRESS'), queuedJobs: those('QUEUED') };
  }

  private startNext(thing: string, body: RequestBody): object {
    const statusDetails = body.statusDetails();
    const minutes = body.stepTimeoutMinutes();
    const [next] = this.store.pendingOf(thing);
    if (next === undefined) return this.nothing();
    if (next.status === 'QUEUED') this.executions.change(next, 'IN_PROGRESS', statusDetails, minutes);
    return { execution: this.view(next, true) };
  }

  private describe(thing: string, jobId: string, body: RequestBody): object {
    const includeJobDocument = body.flag('includeJobDocument') ?? true;
    const executionNumber = body.integer('executionNumber');
    if (jobId === '$next') {
      const [next] = this.store.pendingOf(thing);
      return next === undefined ? this.nothing() : { execution: this.view(next, includeJobDocument) };
    }
    const execution = this.get(thing, jobId, executionNumber);
    if (!isPending(execution))
      throw new JobsError('TerminalStateReached', `The job execution has ended: ${execution.status}.`);
    return { execution: this.view(execution, includeJobDocument) };
  }

  private update(thing: string, jobId: string, body: RequestBody): object {
    const status = REPORTED.find((each) => each === body.text('status'));
    if (status === undefined) throw new JobsError('InvalidRequest', `status must be one of ${REPORTED.join(', ')}`);
    const statusDetails = body.statusDetails();
    const minutes = body.stepTimeoutMinutes();
    const expectedVersion = body.integer('expectedVersion');
    const includeState = body.flag('includeJobExecutionState') ?? false;
    const includeDocument = body.flag('includeJobDocument') ?? false;
    const execution = this.get(thing, jobId, body.integer('executionNumber'));
    if (!isPending(execution) && !this.settings.checksVersionFirst) throw this.badTransition(execution, status);
    if (expectedVersion !== undefined && expectedVersion !== execution.versionNumber) {
      const problem = `Expected version ${expectedVersion}, but the version is ${execution.versionNumber}.`;
      throw new JobsError('VersionMismatch', problem, stateOf(execution));
    }
    if (!isPending(execution)) throw this.badTransition(execution, status);
    this.executions.change(execution, status, statusDetails, minutes);
    return {
      ...(includeState ? { executionState: stateOf(execution) } : {}),
      ...(includeDocument ? { jobDocument: this.executions.view(execution, true).jobDocument } : {}),
    };
  }

  private badTransition(execution: ExecutionRecord, status: ExecutionStatus): JobsError {
    const problem = `A job execution that is ${execution.status} cannot become ${status}.`;
    return new JobsError('InvalidStateTransition', problem, stateOf(execution));
  }

  private get(thing: string, jobId: string, executionNumber: number | undefined): ExecutionRecord {
    if (!JOB_ID.test(jobId)) throw new JobsError('InvalidRequest', 'a job id has 1 to 64 characters of [a-zA-Z0-9_-]');
    const execution = this.store.find(jobId, thing);
    if (execution === undefined || (executionNumber ?? execution.executionNumber) !== execution.executionNumber)
      throw new JobsError('ResourceNotFound', `There is no such execution of the job ${jobId} on ${thing}.`);
    return execution;
  }

  private view(execution: ExecutionRecord, includeJobDocument: boolean): object {
    return { ...this.executions.view(execution, includeJobDocument), thingName: execution.thing };
  }

  private nothing(): object {
    return this.settings.tellsEmptyExecution ? { execution: {} } : {};
  }
}
