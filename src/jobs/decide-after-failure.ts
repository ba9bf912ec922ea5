import type { TransferError } from '../domain/errors';

/** What has happened since the last byte came, or the job began. */
export interface Setbacks {
  readonly failures: number;
  /** URLs that had expired when they came, in a row. */
  readonly expired: number;
  readonly damaged: number;
  /** For so long nothing has come although there was a connection. Milliseconds. */
  readonly barrenMs: number;
}

export type NextTry =
  /** `ifReachable`: unless it is the device's whole way out that is shut. */
  | { readonly kind: 'fail'; readonly ifReachable: boolean }
  /** By a document that is asked for anew: its URLs are fresh. */
  | { readonly kind: 'again'; readonly pauses: boolean };

const MAX_EXPIRED = 3;
const MAX_DAMAGED = 3;
const MAX_OF_DISK = 3;

/** Pure. A job that cannot succeed says so, instead of being tried for ever. @param retryMs how long a link may be bad */
export function decideAfterFailure(error: TransferError, setbacks: Setbacks, retryMs: number): NextTry {
  const { failures, expired, damaged, barrenMs } = setbacks;
  const fail = { kind: 'fail', ifReachable: false } as const;
  switch (error.code) {
    case 'URL_EXPIRED':
      return expired >= MAX_EXPIRED ? fail : { kind: 'again', pauses: expired > 1 };
    case 'OBJECT_CHANGED':
      return barrenMs >= retryMs ? fail : { kind: 'again', pauses: failures > 2 };
    case 'DOWNLOAD_DAMAGED':
      return damaged >= MAX_DAMAGED ? fail : { kind: 'again', pauses: true };
    case 'NO_ROOM':
    case 'DISK_FAILED':
    case 'SOURCE_MISSING':
    case 'SOURCE_UNREADABLE':
      return failures >= MAX_OF_DISK || error.code.startsWith('SOURCE') ? fail : { kind: 'again', pauses: true };
    default:
      if (error.recovery === 'give-up') return fail;
      return barrenMs >= retryMs ? { kind: 'fail', ifReachable: true } : { kind: 'again', pauses: true };
  }
}
