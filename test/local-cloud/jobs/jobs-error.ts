import type { ExecutionState } from './execution-view';

/** As the device's side of the service spells them. */
export type JobsErrorCode =
  | 'InvalidTopic'
  | 'InvalidJson'
  | 'InvalidRequest'
  | 'InvalidStateTransition'
  | 'ResourceNotFound'
  | 'VersionMismatch'
  | 'InternalError'
  | 'RequestThrottled'
  | 'TerminalStateReached';

/** A request of a device is rejected. */
export class JobsError extends Error {
  constructor(
    readonly code: JobsErrorCode,
    message: string,
    /** only with InvalidStateTransition and VersionMismatch */
    readonly executionState?: ExecutionState,
  ) {
    super(message);
  }
}
