import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

/** Waits for a condition, never for a time. @throws Error with what it was, and `describe()`, when it does not come */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  describe: () => unknown = () => '',
  withinMs = 60_000,
): Promise<void> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await delay(POLL_MS)) {
    if (await holds()) return;
  }
  throw new Error(`did not come: ${what}\n${JSON.stringify(describe(), null, 1)}`);
}
