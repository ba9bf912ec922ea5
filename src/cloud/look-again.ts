import { setTimeout as pause } from 'node:timers/promises';
import { isPassing } from './account/explain-aws-error';

const FIRST_MS = 2_000;
const LONGEST_MS = 30_000;
const FACTOR = 1.5;
/** One after the other; each has been repeated by the SDK already. */
const MAX_FAILURES = 10;

/**
 * Looks until there is an answer, ever more rarely: whoever is waited for may be away for long, and so may the link.
 * @param timeoutMs Infinity: until it is interrupted
 * @returns undefined when the time is up; it was looked once more then @throws the signal's reason
 */
export async function lookAgain<T>(
  look: () => Promise<T | undefined>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const endsAtMs = performance.now() + timeoutMs;
  let failures = 0;
  const tolerant = async (): Promise<T | undefined> => {
    try {
      const found = await look();
      failures = 0;
      return found;
    } catch (error) {
      if (!isPassing(error) || ++failures > MAX_FAILURES || performance.now() >= endsAtMs) throw error;
      return undefined;
    }
  };
  for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(LONGEST_MS, pauseMs * FACTOR)) {
    signal.throwIfAborted();
    const found = await tolerant();
    const leftMs = endsAtMs - performance.now();
    if (found !== undefined || leftMs <= 0) return found;
    await pause(Math.min(pauseMs, Math.ceil(leftMs) + 1), undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
