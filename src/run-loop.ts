import type { Clock } from './clock';

/** Repeats a step until stopped, and sleeps as long as the step asks, or until woken. */
export class RunLoop {
  readonly #stopping = new AbortController();
  #woken = false;
  #sleeper: AbortController | undefined;
  #finished: Promise<void> = Promise.resolve();

  /** @param step returns for how many milliseconds there is nothing to do */
  constructor(
    private readonly step: () => Promise<number>,
    private readonly clock: Clock,
  ) {}

  /** Resolves when stopped; rejects when a step threw, and then the loop is over. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  start(): void {
    this.#finished = this.#run();
  }

  /** There may be something to do. */
  wake(): void {
    this.#woken = true;
    this.#sleeper?.abort(); // only while it sleeps: an abort makes an error object, and this is called for every file
    this.#sleeper = undefined;
  }

  /** The step in flight is the last. Resolves when it has ended, one way or the other. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#finished.catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (!this.isStopping) {
      this.#woken = false;
      const idleMs = await this.step();
      if (idleMs <= 0 || this.#woken) continue;
      this.#sleeper = new AbortController();
      await this.clock.sleep(idleMs, this.#sleeper.signal);
      this.#sleeper = undefined;
    }
  }
}
