import type { PolicyDocument } from '../policy';

export type ExecutionStatus =
  | 'QUEUED'
  | 'IN_PROGRESS'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'TIMED_OUT'
  | 'REJECTED'
  | 'REMOVED'
  | 'CANCELED';

export interface JobRecord {
  readonly jobId: string;
  /** as it was given: with its placeholders */
  readonly document: string;
  readonly targets: readonly string[];
  readonly createdAtMs: number;
  status: 'IN_PROGRESS' | 'COMPLETED' | 'CANCELED';
  readonly presign?: {
    readonly expiresSeconds: number;
    readonly rolePolicy: PolicyDocument;
    /** where it was named by it */
    readonly roleArn?: string;
  };
  readonly inProgressTimeoutMs?: number;
}

/** One job on one thing. */
export interface ExecutionRecord {
  readonly jobId: string;
  readonly thing: string;
  readonly executionNumber: number;
  readonly queuedAtMs: number;
  status: ExecutionStatus;
  statusDetails?: Readonly<Record<string, string>>;
  startedAtMs?: number;
  updatedAtMs: number;
  versionNumber: number;
  /** when it becomes TIMED_OUT */
  jobEndsAtMs?: number;
  stepEndsAtMs?: number;
}

export function isPending({ status }: Pick<ExecutionRecord, 'status'>): boolean {
  return status === 'QUEUED' || status === 'IN_PROGRESS';
}
