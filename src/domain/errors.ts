/**
 * What happens to the work in hand after a failure. Every code maps to exactly one recovery:
 * - `retry`: the file's own later attempt, charged to it
 * - `await-link`: free of charge while the link is down; a retry once the link is proved up
 * - `await-account`: free of charge; belongs to the account, the certificate or the role, never to the file
 * - `restart`: anew from the first byte (the multipart upload is gone)
 * - `supersede`: this version of the file no longer exists; the scan queues the new one
 * - `give-up`: only a person can change it, and it is this one file's own
 * - `release`: nothing happened, we are stopping
 */
export type Recovery = 'retry' | 'await-link' | 'await-account' | 'restart' | 'supersede' | 'give-up' | 'release';

const RECOVERY = {
  S3_UNREACHABLE: 'await-link',
  S3_THROTTLED: 'retry',
  S3_INTERNAL: 'retry',
  S3_DAMAGED_IN_TRANSIT: 'retry',
  CLOCK_SKEWED: 'retry',
  CREDENTIALS_UNREACHABLE: 'await-link', // no connection came about
  CREDENTIALS_UNWELL: 'await-link', // one did, and no credentials came of it now
  CREDENTIALS_REFUSED: 'await-account',
  CLOCK_WRONG: 'await-account', // this device's; waiting costs no file an attempt
  CREDENTIALS_EXPIRED: 'retry',
  ACCESS_DENIED: 'await-account',
  BUCKET_MISSING: 'await-account',
  REQUEST_REFUSED: 'await-account', // a 4xx nobody foresaw says something about our settings or the bucket's
  PRECONDITION_FAILED: 'retry', // decided where the condition was set; here only if it slips through
  CONFLICT: 'restart',
  MULTIPART_GONE: 'restart',
  MULTIPART_UNUSABLE: 'restart',
  OBJECT_MISSING: 'retry', // 404 on a read; whoever reads decides
  SOURCE_CHANGED: 'supersede',
  SOURCE_MISSING: 'give-up',
  SOURCE_UNREADABLE: 'retry',
  KEY_TOO_LONG: 'give-up',
  OBJECT_TOO_LARGE: 'give-up',
  TAG_INVALID: 'give-up',
  OBJECT_UNSEEN: 'await-account', // gone, or denied: S3 does not say which to those who may not list
  OBJECT_CHANGED: 'supersede',
  DOWNLOAD_DAMAGED: 'retry',
  NO_ROOM: 'retry', // somebody frees some, or what lands elsewhere goes on meanwhile
  DISK_FAILED: 'retry',
  PATH_REFUSED: 'give-up',
  BUS_UNAVAILABLE: 'await-link',
  MESSAGE_DENIED: 'await-account',
  NO_ANSWER: 'await-link', // what was asked has gone out, as far as we know
  URL_EXPIRED: 'retry', // by a fresh one
  URL_REFUSED: 'give-up',
  ARCHIVE_REFUSED: 'give-up',
  DOCUMENT_TOO_LARGE: 'give-up',
  STOPPING: 'release',
  NOT_STARTED: 'release',
  UNEXPECTED: 'retry', // an error nobody foresaw must not cost a file
} as const satisfies Record<string, Recovery>;

export type ErrorCode = keyof typeof RECOVERY;

/** Codes after which S3 may or may not have done what was asked: the answer is what got lost. */
const OUTCOME_UNKNOWN: ReadonlySet<ErrorCode> = new Set(['S3_UNREACHABLE', 'S3_INTERNAL', 'UNEXPECTED']);

/** It is their source, and not S3, that does not answer. */
const OF_CREDENTIALS: ReadonlySet<ErrorCode> = new Set(['CREDENTIALS_UNREACHABLE', 'CREDENTIALS_UNWELL']);

/** The only error capabilities look into. Adapters translate their library's errors into it. */
export class TransferError extends Error {
  override readonly name = 'TransferError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get recovery(): Recovery {
    return RECOVERY[this.code];
  }

  get outcomeUnknown(): boolean {
    return OUTCOME_UNKNOWN.has(this.code);
  }

  /** Whose answer tells whether the link is up. */
  get linkTarget(): 's3' | 'credentials' {
    return OF_CREDENTIALS.has(this.code) ? 'credentials' : 's3';
  }
}

export const asTransferError = (error: unknown): TransferError =>
  error instanceof TransferError
    ? error
    : new TransferError('UNEXPECTED', error instanceof Error ? error.message : String(error), { cause: error });

export const hasCode = (error: unknown, ...codes: ErrorCode[]): error is TransferError =>
  error instanceof TransferError && codes.includes(error.code);

/** What a person wrote is wrong: configuration, command line, a file they named. Ends with the next step. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
