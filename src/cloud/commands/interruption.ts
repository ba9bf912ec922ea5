import { InterruptedError } from '../cloud-error';

/** @returns what is aborted when the operator ends the command (Ctrl-C) @param tell what is said then */
export function interruption(tell: () => string): AbortSignal {
  const controller = new AbortController();
  // Both the terminal and the process before us pass one on: it may come twice.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => controller.abort(new InterruptedError(tell())));
  return controller.signal;
}
