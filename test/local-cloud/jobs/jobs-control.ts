import { until } from '../../support/until';
import type { Account } from '../account';
import { checkPolicy, type PolicyDocument } from '../policy';
import { seedDPolicy } from '../seed-policies';
import { type ExecutionView, viewOf } from './execution-view';
import type { Executions } from './executions';
import { placeholdersOf } from './job-document';
import type { JobStore } from './job-store';
import { JobsControlError } from './jobs-control-error';
import { JobsError } from './jobs-error';
import { type ExecutionRecord, type ExecutionStatus, isPending, type JobRecord } from './records';
import { checkStatusDetails } from './request-body';

export interface CreateJobRequest {
  readonly jobId: string;
  /** things and `thinggroup/<name>`, by name or ARN */
  readonly targets: readonly string[];
  /** JSON, or what it is to say */
  readonly document: string | object;
  /** needed where the document has placeholders */
  readonly presignedUrlConfig?: {
    /** 60 to 3600 */
    readonly expiresInSec?: number;
    /** of the role that signs; default: as in seed D, on the buckets that are named */
    readonly rolePolicy?: PolicyDocument;
    /** the same, by its name */
    readonly roleArn?: string;
  };
  /** up to 10080; fractions are ours */
  readonly timeoutConfig?: { readonly inProgressTimeoutInMinutes: number };
}

export interface JobDescription {
  readonly jobId: string;
  readonly status: JobRecord['status'];
  readonly targets: readonly string[];
  readonly document: string;
  readonly executions: Readonly<Partial<Record<ExecutionStatus, number>>>;
  readonly createdAtMs: number;
  readonly presign: JobRecord['presign'];
}

export type ExecutionDescription = Omit<ExecutionView, 'jobDocument'> & {
  readonly thingName: string;
  readonly statusDetails: Readonly<Record<string, string>>;
};

const MAX_DOCUMENT_CHARACTERS = 32_768;
const MIN_PRESIGN_SECONDS = 60;
const MAX_PRESIGN_SECONDS = 3600;
const MAX_TIMEOUT_MINUTES = 7 * 24 * 60;

/** What operators do. Each refusal is a JobsControlError. */
export class JobsControl {
  constructor(
    private readonly store: JobStore,
    private readonly executions: Executions,
    private readonly around: {
      readonly account: Account;
      readonly now: () => number;
      readonly minPresignSeconds?: number;
    },
    /** tells what has changed */
    private readonly settle: () => void,
  ) {}

  createJob(request: CreateJobRequest): { jobId: string; jobArn: string } {
    const { jobId, targets, presignedUrlConfig, timeoutConfig } = request;
    const document = typeof request.document === 'string' ? request.document : JSON.stringify(request.document);
    if (!/^[a-zA-Z0-9_-]{1,64}$/.test(jobId)) throw invalid('a job id has 1 to 64 characters of [a-zA-Z0-9_-]');
    if (this.store.findJob(jobId) !== undefined)
      throw new JobsControlError('ResourceAlreadyExistsException', `there is a job ${jobId} already`);
    const buckets = checkDocument(document);
    if (buckets.length > 0 && presignedUrlConfig === undefined)
      throw invalid('the document has placeholders for presigned URLs: presignedUrlConfig is missing');
    const minutes = timeoutConfig?.inProgressTimeoutInMinutes;
    if (minutes !== undefined && !(minutes > 0 && minutes <= MAX_TIMEOUT_MINUTES))
      throw invalid(`inProgressTimeoutInMinutes must be at most ${MAX_TIMEOUT_MINUTES}`);
    const expiresSeconds = this.checkExpiry(presignedUrlConfig?.expiresInSec ?? MAX_PRESIGN_SECONDS);
    const roleArn = presignedUrlConfig?.roleArn;
    const rolePolicy = checkPolicy(
      presignedUrlConfig?.rolePolicy ?? (roleArn === undefined ? seedDPolicy(...buckets) : this.policyOf(roleArn)),
    );
    const things = this.resolve(targets);
    const job: JobRecord = {
      jobId,
      document,
      targets,
      createdAtMs: this.around.now(),
      status: things.length === 0 ? 'COMPLETED' : 'IN_PROGRESS',
      ...(buckets.length === 0
        ? {}
        : { presign: { expiresSeconds, rolePolicy, ...(roleArn === undefined ? {} : { roleArn }) } }),
      ...(minutes === undefined ? {} : { inProgressTimeoutMs: minutes * 60_000 }),
    };
    this.executions.create(job, things);
    this.settle();
    return { jobId, jobArn: this.arn(`job/${jobId}`) };
  }

  /** What is queued is cancelled; what is in progress only by force. */
  cancelJob(jobId: string, { force = false }: { force?: boolean } = {}): void {
    const job = this.getJob(jobId);
    if (job.status === 'COMPLETED') throw invalid(`the job ${jobId} is completed`);
    job.status = 'CANCELED';
    this.store.save();
    for (const execution of this.store.ofJob(jobId))
      if (execution.status === 'QUEUED' || (force && isPending(execution)))
        this.executions.change(execution, 'CANCELED');
    this.settle();
  }

  cancelJobExecution(
    jobId: string,
    thing: string,
    options: { force?: boolean; expectedVersion?: number; statusDetails?: Readonly<Record<string, string>> } = {},
  ): void {
    const execution = this.get(jobId, thing);
    const { force = false, expectedVersion, statusDetails } = options;
    if (expectedVersion !== undefined && expectedVersion !== execution.versionNumber)
      throw new JobsControlError('VersionConflictException', `the version is ${execution.versionNumber}`);
    if (!isPending(execution) || (execution.status === 'IN_PROGRESS' && !force))
      throw new JobsControlError('InvalidStateTransitionException', `the execution is ${execution.status}`);
    if (statusDetails !== undefined) checkDetails(statusDetails);
    this.executions.change(execution, 'CANCELED', statusDetails);
    this.settle();
  }

  /** With all its executions. What has not ended yet only by force. */
  deleteJob(jobId: string, { force = false }: { force?: boolean } = {}): void {
    const job = this.getJob(jobId);
    if (!force && this.store.ofJob(jobId).some(isPending))
      throw new JobsControlError('InvalidStateTransitionException', `the job ${jobId} has not ended`);
    this.executions.delete(job);
    this.settle();
  }

  deleteJobExecution(jobId: string, thing: string, { force = false }: { force?: boolean } = {}): void {
    const execution = this.get(jobId, thing);
    if (execution.status === 'IN_PROGRESS' && !force)
      throw new JobsControlError('InvalidStateTransitionException', 'the execution is in progress');
    this.executions.deleteOne(execution);
    this.settle();
  }

  /** The thing leaves the targets of the job: what has not ended there is REMOVED. */
  removeTarget(jobId: string, thing: string): void {
    const execution = this.get(jobId, thing);
    if (isPending(execution)) this.executions.change(execution, 'REMOVED');
    this.settle();
  }

  describeJob(jobId: string): JobDescription {
    const { status, targets, document, createdAtMs, presign } = this.getJob(jobId);
    const executions: Partial<Record<ExecutionStatus, number>> = {};
    for (const each of this.store.ofJob(jobId)) executions[each.status] = (executions[each.status] ?? 0) + 1;
    return { jobId, status, targets, document, executions, createdAtMs, presign };
  }

  /** In order of creation. */
  listJobExecutions(jobId: string): ExecutionDescription[] {
    this.getJob(jobId);
    return this.store.ofJob(jobId).map(({ thing }) => this.describeJobExecution(jobId, thing));
  }

  describeJobExecution(jobId: string, thing: string): ExecutionDescription {
    this.settle();
    const execution = this.get(jobId, thing);
    return { ...viewOf(execution), thingName: thing, statusDetails: execution.statusDetails ?? {} };
  }

  /** What it says when it fits, now or later. */
  async waitForExecution(
    jobId: string,
    thing: string,
    fits: (execution: ExecutionDescription) => boolean,
  ): Promise<ExecutionDescription> {
    const describe = (): ExecutionDescription => this.describeJobExecution(jobId, thing);
    await until(`job ${jobId} on ${thing}`, () => fits(describe()), describe);
    return describe();
  }

  private resolve(targets: readonly string[]): string[] {
    if (targets.length === 0) throw invalid('a job needs targets');
    const prefix = this.arn('');
    const names = targets.map((target) => (target.startsWith(prefix) ? target.slice(prefix.length) : target));
    const things = names.flatMap((name) => {
      const [, group] = /^thinggroup\/(.+)$/.exec(name) ?? [];
      const members = group === undefined ? [name.replace(/^thing\//, '')] : this.around.account.findThingGroup(group);
      if (members === undefined) throw notFound(`there is no thing group ${group}`);
      return members;
    });
    for (const thing of things)
      if (this.around.account.findThing(thing) === undefined) throw notFound(`there is no thing ${thing}`);
    return [...new Set(things)];
  }

  private policyOf(roleArn: string): PolicyDocument {
    const role = this.around.account.findRole(roleArn.slice(roleArn.lastIndexOf('/') + 1));
    if (role?.trusts.includes('iot.amazonaws.com') !== true)
      throw invalid(`the role ${roleArn} cannot be assumed by AWS IoT`);
    return role.policy;
  }

  private checkExpiry(expiresInSec: number): number {
    const min = this.around.minPresignSeconds ?? MIN_PRESIGN_SECONDS;
    if (Number.isInteger(expiresInSec) && expiresInSec >= min && expiresInSec <= MAX_PRESIGN_SECONDS)
      return expiresInSec;
    throw invalid(`expiresInSec must be ${min} to ${MAX_PRESIGN_SECONDS}`);
  }

  private getJob(jobId: string): JobRecord {
    const job = this.store.findJob(jobId);
    if (job === undefined) throw notFound(`there is no job ${jobId}`);
    return job;
  }

  private get(jobId: string, thing: string): ExecutionRecord {
    const execution = this.store.find(jobId, thing);
    if (execution === undefined) throw notFound(`there is no job ${jobId} on ${thing}`);
    return execution;
  }

  private arn(resource: string): string {
    return `arn:aws:iot:${this.around.account.region}:${this.around.account.accountId}:${resource}`;
  }
}

/** @returns the buckets of its placeholders */
function checkDocument(document: string): string[] {
  if (document.length > MAX_DOCUMENT_CHARACTERS)
    throw invalid(`the document has more than ${MAX_DOCUMENT_CHARACTERS} characters`);
  try {
    return [...new Set(placeholdersOf(document).map(({ bucket }) => bucket))];
  } catch (error) {
    throw invalid(`the document: ${(error as Error).message}`);
  }
}

function checkDetails(details: Readonly<Record<string, string>>): void {
  try {
    checkStatusDetails(details);
  } catch (error) {
    throw error instanceof JobsError ? invalid(error.message) : error;
  }
}

function invalid(problem: string): JobsControlError {
  return new JobsControlError('InvalidRequestException', problem);
}

function notFound(problem: string): JobsControlError {
  return new JobsControlError('ResourceNotFoundException', problem);
}
