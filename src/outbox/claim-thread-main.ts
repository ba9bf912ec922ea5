// The thread of large claims: a bundle of its own, started by ClaimThread.
import { parentPort } from 'node:worker_threads';
import { type ClaimCalls, directCalls, memoryOf } from './claim-calls';

export interface ClaimRequest {
  readonly id: number;
  readonly call: keyof ClaimCalls;
  readonly args: readonly unknown[];
}

export type ClaimAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string; readonly code: unknown };

parentPort?.on('message', ({ id, call, args }: ClaimRequest) => {
  // What came goes back as well: a thread that makes little of its own collects nothing for hundreds of thousands of files.
  const answer = (said: ClaimAnswer): void => parentPort?.postMessage(said, memoryOf([args, said]));
  (directCalls[call] as (...given: readonly unknown[]) => Promise<unknown>)(...args).then(
    (result) => answer({ id, result }),
    (error: NodeJS.ErrnoException) => answer({ id, error: error.message, code: error.code }),
  );
});
