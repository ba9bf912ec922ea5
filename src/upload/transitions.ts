import { backoffMs, type RetryPolicy } from '../domain/backoff';
import type { TransferError } from '../domain/errors';

/** The whole life of one upload. The same words are the CHECK constraint of its table. */
export const TRANSITIONS = {
  queued: { take: 'uploading', supersede: 'superseded' },
  uploading: {
    complete: 'done',
    defer: 'queued',
    release: 'queued',
    restart: 'queued',
    supersede: 'superseded',
    fail: 'failed',
  },
  failed: { supersede: 'superseded' },
  superseded: {},
  done: {},
} as const satisfies Record<string, Record<string, string>>;

export type UploadState = keyof typeof TRANSITIONS;

/** How an attempt ended that did not deliver. `charged`: it counts as a failure of this file, for its backoff. */
export type Conclusion =
  | { readonly event: 'defer' | 'restart'; readonly runAtMs: number; readonly charged: boolean }
  | { readonly event: 'release' | 'supersede' | 'fail' };

export interface FailureContext {
  /** Failures charged to this file so far. */
  readonly failures: number;
  readonly linkUp: boolean;
  /** When the account is asked again, Unix milliseconds; undefined while only this file is refused. */
  readonly accountProbeAtMs: number | undefined;
  readonly nowMs: number;
  /** 0 ≤ dice < 1 */
  readonly dice: number;
}

export interface RetryPolicies {
  readonly retry: RetryPolicy;
  readonly account: RetryPolicy;
}

/** Pure: clock and dice are arguments. */
export function concludeFailure(error: TransferError, policies: RetryPolicies, context: FailureContext): Conclusion {
  const { failures, linkUp, accountProbeAtMs, nowMs, dice } = context;
  const later = nowMs + backoffMs(failures, policies.retry, dice);
  switch (error.recovery) {
    case 'give-up':
      return { event: 'fail' };
    case 'supersede':
      return { event: 'supersede' };
    case 'release':
      return { event: 'release' };
    case 'await-link':
      return linkUp ? { event: 'defer', runAtMs: later, charged: true } : { event: 'release' };
    case 'await-account':
      // A moment behind the probe, so that the probe goes to another file: were this one alone refused, it blocked all.
      return accountProbeAtMs === undefined
        ? { event: 'defer', runAtMs: nowMs + backoffMs(failures, policies.account, dice), charged: true }
        : { event: 'defer', runAtMs: accountProbeAtMs + 1, charged: false };
    case 'restart':
      return { event: 'restart', runAtMs: later, charged: true };
    case 'retry':
      return { event: 'defer', runAtMs: later, charged: true };
    default:
      return error.recovery satisfies never;
  }
}
