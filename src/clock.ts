import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Wall clock, Unix milliseconds. It may jump; nothing may hang on that. */
  nowMs(): number;
  /** Milliseconds that only ever grow. Intervals and deadlines are measured by it. */
  monotonicMs(): number;
  /** Resolves after `ms`, or early when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** setTimeout fires at once for anything beyond; a longer sleep is a sequence of such. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => delay(Math.min(ms, MAX_TIMEOUT_MS), undefined, { signal }).catch(() => undefined),
};
