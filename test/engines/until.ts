import { setTimeout as pause } from 'node:timers/promises';

/** Asks again until the answer is defined. @throws Error when it is not within `timeoutMs`; an error of `look` passes. */
export async function until<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await pause(25);
  }
}
