import { type Clock, systemClock } from '../../src/clock';

/** The system's clock, and whole days can be skipped: who sleeps wakes when its time has passed so. */
export class SkippingClock implements Clock {
  #skippedMs = 0;
  readonly #sleepers = new Set<() => void>();

  nowMs(): number {
    return systemClock.nowMs() + this.#skippedMs;
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#skippedMs;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    const untilMs = this.monotonicMs() + ms;
    while (!signal.aborted && this.monotonicMs() < untilMs) {
      const skipped = new AbortController();
      const wake = (): void => skipped.abort();
      this.#sleepers.add(wake);
      await systemClock.sleep(untilMs - this.monotonicMs(), AbortSignal.any([signal, skipped.signal]));
      this.#sleepers.delete(wake);
    }
  }

  skip(ms: number): void {
    this.#skippedMs += ms;
    for (const wake of this.#sleepers) wake();
  }
}
