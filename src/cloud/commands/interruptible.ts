import { InterruptedError } from '../cloud-error';

/** So long is waited for what is under way to come to its end: a request that nobody answers would not. */
const GRACE_MS = 5_000;

/**
 * Does what may be ended by the operator (Ctrl-C).
 * @param tell what is said then @param work is given what is aborted then @throws InterruptedError
 */
export function interruptible<T>(tell: () => string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const left = new Promise<never>((_, reject) => {
    // Both the terminal and the process before us pass one on: it may come twice.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        const reason = new InterruptedError(tell());
        controller.abort(reason);
        setTimeout(reject, GRACE_MS, reason).unref();
      });
  });
  return Promise.race([work(controller.signal), left]);
}
