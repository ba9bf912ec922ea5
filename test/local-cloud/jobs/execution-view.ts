import type { ExecutionRecord, ExecutionStatus } from './records';

/** JobExecutionSummary: what the lists hold. Times are in whole seconds. */
export interface ExecutionSummary {
  jobId: string;
  queuedAt: number;
  startedAt?: number;
  lastUpdatedAt: number;
  versionNumber: number;
  executionNumber: number;
}

/** JobExecutionState */
export interface ExecutionState {
  status: ExecutionStatus;
  statusDetails?: Readonly<Record<string, string>>;
  versionNumber: number;
}

/** JobExecution. The document is what its text says, not the text. */
export interface ExecutionView extends ExecutionSummary, ExecutionState {
  thingName?: string;
  jobDocument?: unknown;
}

export function summaryOf(execution: ExecutionRecord): ExecutionSummary {
  return {
    jobId: execution.jobId,
    queuedAt: seconds(execution.queuedAtMs),
    ...(execution.startedAtMs === undefined ? {} : { startedAt: seconds(execution.startedAtMs) }),
    lastUpdatedAt: seconds(execution.updatedAtMs),
    versionNumber: execution.versionNumber,
    executionNumber: execution.executionNumber,
  };
}

export function stateOf({ status, statusDetails, versionNumber }: ExecutionRecord): ExecutionState {
  return { status, ...(statusDetails === undefined ? {} : { statusDetails }), versionNumber };
}

export function viewOf(execution: ExecutionRecord): ExecutionView {
  return { ...summaryOf(execution), ...stateOf(execution) };
}

export function seconds(atMs: number): number {
  return Math.floor(atMs / 1000);
}
