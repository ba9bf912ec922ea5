// The thread of large claims: a bundle of its own, started by ClaimThread.
import { parentPort } from 'node:worker_threads';
import { type ClaimCalls, directCalls } from './claim-calls';

export interface ClaimRequest {
  readonly id: number;
  readonly call: keyof ClaimCalls;
  readonly args: readonly unknown[];
}

export type ClaimAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string; readonly code: unknown };

parentPort?.on('message', ({ id, call, args }: ClaimRequest) => {
  const answer = (said: ClaimAnswer): void => parentPort?.postMessage(said);
  (directCalls[call] as (...given: readonly unknown[]) => Promise<unknown>)(...args).then(
    (result) => answer({ id, result }),
    (error: NodeJS.ErrnoException) => answer({ id, error: error.message, code: error.code }),
  );
});
