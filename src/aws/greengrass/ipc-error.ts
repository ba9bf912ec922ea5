/** An answer of the nucleus that is an error. `shape`: ServiceError, UnauthorizedError, ResourceNotFoundError, … */
export class IpcError extends Error {
  override readonly name = 'IpcError';

  constructor(
    readonly operation: string,
    readonly shape: string,
    message: string,
  ) {
    super(`${operation}: ${shape}${message === '' ? '' : `, ${message}`}`);
  }
}

/** Nobody has answered: the connection is not there, went away, or the nucleus took too long. */
export class IpcUnavailable extends Error {
  override readonly name = 'IpcUnavailable';
}

/** The nucleus is there and does not want us: it does not know our token (any more). */
export class IpcRefused extends Error {
  override readonly name = 'IpcRefused';
}
