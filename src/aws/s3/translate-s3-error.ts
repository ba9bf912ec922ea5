import { type ErrorCode, TransferError } from '../../domain/errors';

/** What S3, or the way to it, answered instead of doing what was asked. */
export interface S3Failure {
  readonly status: number | undefined;
  /** S3's error code; empty where the answer had no body (HEAD). */
  readonly code: string;
  readonly message: string;
  /** The bucket's region, where S3 redirects to it. */
  readonly region?: string | undefined;
  readonly cause?: unknown;
}

/** The call, for a sentence a person can act on. */
export interface S3Call {
  /** The IAM action it needs. */
  readonly action: string;
  readonly bucket: string;
  readonly key: string;
}

const BY_CODE: Readonly<Record<string, ErrorCode>> = {
  ExpiredToken: 'CREDENTIALS_EXPIRED',
  InvalidToken: 'CREDENTIALS_EXPIRED',
  TokenRefreshRequired: 'CREDENTIALS_EXPIRED',
  InvalidAccessKeyId: 'CREDENTIALS_EXPIRED',
  RequestTimeTooSkewed: 'CLOCK_SKEWED',
  RequestExpired: 'CLOCK_SKEWED',
  RequestTimeout: 'S3_UNREACHABLE',
  RequestTimeoutException: 'S3_UNREACHABLE',
  BadDigest: 'S3_DAMAGED_IN_TRANSIT',
  InvalidDigest: 'S3_DAMAGED_IN_TRANSIT',
  XAmzContentSHA256Mismatch: 'S3_DAMAGED_IN_TRANSIT',
  XAmzContentChecksumMismatch: 'S3_DAMAGED_IN_TRANSIT',
  IncompleteBody: 'S3_DAMAGED_IN_TRANSIT',
  NoSuchUpload: 'MULTIPART_GONE',
  NoSuchBucket: 'BUCKET_MISSING',
  NoSuchKey: 'OBJECT_MISSING',
  NotFound: 'OBJECT_MISSING',
  PreconditionFailed: 'PRECONDITION_FAILED',
  ConditionalRequestConflict: 'CONFLICT',
  OperationAborted: 'CONFLICT',
  KeyTooLongError: 'KEY_TOO_LONG',
  EntityTooLarge: 'OBJECT_TOO_LARGE',
  InvalidTag: 'TAG_INVALID',
  SlowDown: 'S3_THROTTLED',
};

/** Decides by S3's code first, by status where it gave none. */
export function translateS3Error(failure: S3Failure, call: S3Call): TransferError {
  const code = codeOf(failure);
  return new TransferError(code, sentence(code, failure, call), { cause: failure.cause });
}

function codeOf({ status, code }: S3Failure): ErrorCode {
  const known = BY_CODE[code];
  if (known !== undefined) return known;
  if (status === undefined) return 'S3_UNREACHABLE';
  if (status === 503 || status === 429) return 'S3_THROTTLED';
  if (status >= 500 || status < 300) return 'S3_INTERNAL'; // below 300: a 200 that carries an error
  if (status === 400 && code === '') return 'CREDENTIALS_EXPIRED'; // HEAD has no body: this is how it says so
  if (status === 404) return 'OBJECT_MISSING';
  if (status === 412) return 'PRECONDITION_FAILED';
  if (status === 409) return 'CONFLICT';
  if (status === 401 || status === 403) return 'ACCESS_DENIED';
  return 'REQUEST_REFUSED';
}

function sentence(
  code: ErrorCode,
  { status, code: s3Code, message }: S3Failure,
  { action, bucket, key }: S3Call,
): string {
  const said = [s3Code || (status === undefined ? '' : `status ${status}`), message].filter(Boolean).join(': ');
  const target = `${bucket}/${key}`;
  switch (code) {
    case 'ACCESS_DENIED':
      return `S3 denies ${action} on ${target} (${said}); allow it in the policy of the role, or correct the bucket or the key`;
    case 'BUCKET_MISSING':
      return `there is no bucket ${bucket} (${said}); create it, or correct s3.bucket`;
    case 'REQUEST_REFUSED':
      return `S3 refuses ${action} on ${target} (${said}); check the s3 settings against the bucket's`;
    case 'TAG_INVALID':
      return `S3 refuses the tags of ${target} (${said}); correct s3.tags and start again`;
    case 'CLOCK_SKEWED':
      return `S3 says this device's clock is wrong (${said}); set the clock`;
    case 'S3_UNREACHABLE':
      return `no answer from S3 to ${action} on ${target} (${said})`;
    default:
      return `${action} on ${target}: ${said}`;
  }
}
