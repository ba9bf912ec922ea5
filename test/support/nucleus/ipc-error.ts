export type IpcErrorCode =
  | 'ServiceError'
  | 'UnauthorizedError'
  | 'ResourceNotFoundError'
  | 'InvalidArgumentsError'
  | 'FailedUpdateConditionCheckError';

/** An answer that says no, by its name in the service's model. */
export class IpcError extends Error {
  constructor(
    readonly code: IpcErrorCode,
    message: string,
    /** Further members of the modeled error. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}
