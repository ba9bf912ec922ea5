import type { Clock } from '../../src/clock';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is told how much time has passed. */
export class ManualClock implements Clock {
  #wallMs = Date.UTC(2026, 0, 1);
  #monotonicMs = 1_000;
  #sleepers: Sleeper[] = [];

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#sleepers.push({ atMs: this.#monotonicMs + ms, wake: resolve });
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Somebody steps the wall clock; time itself goes on as before. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  async pass(ms: number): Promise<void> {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
    const due = this.#sleepers.filter(({ atMs }) => atMs <= this.#monotonicMs);
    this.#sleepers = this.#sleepers.filter(({ atMs }) => atMs > this.#monotonicMs);
    for (const { wake } of due) wake();
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}
