/** An execution as AWS IoT tells of it. https://docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-https-api.html */
export interface JobExecution {
  readonly jobId: string;
  readonly executionNumber: number;
  /** Unix seconds. */
  readonly queuedAt: number;
  readonly versionNumber: number;
  readonly status: string;
  /** Where it was asked for, and the answer carries it. */
  readonly document: unknown;
}

/** As far as a rejection or an accepted update tells. */
export interface ExecutionState {
  readonly status: string;
  readonly versionNumber: number;
}

const JOB_ID = /^[a-zA-Z0-9_-]{1,64}$/;
/** In these AWS IoT takes no more word from a device. */
const ENDED: ReadonlySet<string> = new Set(['SUCCEEDED', 'FAILED', 'REJECTED', 'TIMED_OUT', 'CANCELED', 'REMOVED']);

export const hasEnded = (status: string): boolean => ENDED.has(status);

/** @returns undefined when it is none */
export function findExecution(value: unknown): JobExecution | undefined {
  if (!isObject(value)) return undefined;
  const { jobId, executionNumber, queuedAt, versionNumber, status, jobDocument } = value;
  if (typeof jobId !== 'string' || !JOB_ID.test(jobId) || typeof status !== 'string') return undefined;
  return {
    jobId,
    status,
    executionNumber: wholeOf(executionNumber, 1),
    queuedAt: wholeOf(queuedAt, 0),
    versionNumber: wholeOf(versionNumber, 1),
    document: jobDocument,
  };
}

/** @returns undefined when it is none */
export function findExecutionState(value: unknown): ExecutionState | undefined {
  if (!isObject(value) || typeof value.status !== 'string' || typeof value.versionNumber !== 'number') return undefined;
  return { status: value.status, versionNumber: wholeOf(value.versionNumber, 1) };
}

/** Ids of the executions on a list of those that are not ended. @returns undefined when it is no such list */
export function findPending(value: unknown): { readonly inProgress: string[] } | undefined {
  if (!isObject(value) || !isObject(value.jobs)) return undefined;
  const list = value.jobs.IN_PROGRESS;
  if (list !== undefined && !Array.isArray(list)) return undefined;
  return {
    inProgress: (list ?? []).flatMap((one) => findExecution({ status: 'IN_PROGRESS', ...Object(one) })?.jobId ?? []),
  };
}

const wholeOf = (value: unknown, otherwise: number): number =>
  typeof value === 'number' && Number.isSafeInteger(Math.trunc(value)) ? Math.trunc(value) : otherwise;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
