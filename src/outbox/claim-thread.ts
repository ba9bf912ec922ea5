import { Worker } from 'node:worker_threads';
import { type ClaimCalls, directCalls, type Moved, memoryOf } from './claim-calls';
import type { ClaimAnswer, ClaimRequest } from './claim-thread-main';
import type { PackedPaths } from './packed-paths';

/** For fewer files no thread is started, and none is asked. */
const WORTH_A_TRIP = 256;
/** A thread that has had nothing to do for so long gives its memory back. */
const IDLE_MS = 5_000;

interface Asked {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The calls of large batches in a thread of their own, so that this one goes on looking, writing rows and answering: what
 * a claim costs is the kernel's time. The thread comes with the first large batch, and goes.
 */
export class ClaimThread implements ClaimCalls {
  readonly #asked = new Map<number, Asked>();
  #requests = 0;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #isRefused = false;

  /** @param file the thread's bundle */
  constructor(
    private readonly file: string,
    private readonly idleMs = IDLE_MS,
  ) {}

  tryToRead(paths: PackedPaths): Promise<Int32Array<ArrayBuffer>> {
    const isFew = paths.ends.length < WORTH_A_TRIP;
    return isFew ? directCalls.tryToRead(paths) : this.#ask('tryToRead', [paths]);
  }

  move(from: PackedPaths, to: PackedPaths): Promise<Moved> {
    const isFew = from.ends.length < WORTH_A_TRIP;
    return isFew ? directCalls.move(from, to) : this.#ask('move', [from, to]);
  }

  /** Starting `sync` stops the thread that does it for some milliseconds. */
  sync(folder: string): Promise<void> {
    return this.#worker === undefined ? directCalls.sync(folder) : this.#ask('sync', [folder]);
  }

  #ask<K extends keyof ClaimCalls>(call: K, args: Parameters<ClaimCalls[K]>): ReturnType<ClaimCalls[K]> {
    const worker = this.#find();
    if (worker === undefined) return (directCalls[call] as (...given: unknown[]) => ReturnType<ClaimCalls[K]>)(...args);
    const id = ++this.#requests;
    const answer = new Promise<never>((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    worker.postMessage({ id, call, args } satisfies ClaimRequest, memoryOf(args));
    return answer as ReturnType<ClaimCalls[K]>;
  }

  /** @returns undefined where the system gives us no further thread */
  #find(): Worker | undefined {
    clearTimeout(this.#idle);
    if (this.#worker !== undefined || this.#isRefused) return this.#worker;
    try {
      const worker = new Worker(this.file);
      worker.on('message', (answer: ClaimAnswer) => this.#take(answer));
      worker.on('error', (error) => this.#lose(worker, error));
      worker.on('exit', () => this.#lose(worker, new Error('the thread that moves files has ended')));
      this.#worker = worker;
    } catch {
      this.#isRefused = true;
    }
    return this.#worker;
  }

  #take(answer: ClaimAnswer): void {
    const asked = this.#asked.get(answer.id);
    this.#asked.delete(answer.id);
    if (this.#asked.size === 0) this.#idle = setTimeout(() => this.#rest(), this.idleMs).unref();
    if ('error' in answer) asked?.reject(Object.assign(new Error(answer.error), { code: answer.code }));
    else asked?.resolve(answer.result as never);
  }

  #rest(): void {
    const worker = this.#worker;
    this.#worker = undefined; // first: who asks from now on gets another
    void worker?.terminate();
  }

  /** What it was at is unknown: a start finds all that was moved. */
  #lose(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }
}
