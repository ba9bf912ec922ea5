import type { Clock } from '../clock';
import { probePauseMs, type RetryPolicy } from '../domain/backoff';

/** Why it opened, for a person. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly sinceMs: number;
}

export interface BreakerOptions {
  /** So many different files must fail in a row, none succeeding between, before it opens. */
  readonly threshold: number;
  /** The same once it has been seen to work: one refused file beside good ones must not stop them. */
  readonly provenThreshold: number;
  readonly probe: RetryPolicy;
  readonly clock: Clock;
  readonly dice: () => number;
  /** Told on each change of state, and hourly while open. */
  readonly onChange: (refusal: Refusal | undefined) => void;
}

const REMIND_MS = 3_600_000;

/**
 * Keeps work away from a party that refuses it. While open, one piece of work is admitted per pause, as a probe; the
 * pause doubles up to its cap, and the first success closes it.
 */
export class Breaker {
  #failed = new Set<number>();
  #proven = false;
  #refusal: Refusal | undefined;
  #probes = 0;
  #probeAtMs = 0;
  #probing = false;
  #toldAtMs = 0;

  constructor(private readonly options: BreakerOptions) {}

  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  /** Monotonic milliseconds of the next probe while open; undefined while closed. */
  get probeAtMs(): number | undefined {
    return this.#refusal && this.#probeAtMs;
  }

  /** How many pieces of work may start now. */
  admits(): number {
    if (this.#refusal === undefined) return Number.POSITIVE_INFINITY;
    return !this.#probing && this.options.clock.monotonicMs() >= this.#probeAtMs ? 1 : 0;
  }

  /** Work that `admits` allowed starts. Ends in `succeed`, `fail` or `withdraw`. */
  enter(): void {
    if (this.#refusal !== undefined) this.#probing = true;
  }

  succeed(): void {
    this.#proven = true;
    this.#failed.clear();
    this.#probing = false;
    if (this.#refusal === undefined) return;
    this.#refusal = undefined;
    this.#probes = 0;
    this.options.onChange(undefined);
  }

  /**
   * @param subject number of the file that failed
   * @param notBeforeMs monotonic: the party is not asked before, so that a probe would learn nothing
   */
  fail(subject: number, code: string, message: string, notBeforeMs?: number): void {
    const { clock, threshold, provenThreshold, probe, dice } = this.options;
    this.#failed.add(subject);
    const wasProbe = this.#probing;
    this.#probing = false;
    if (this.#refusal === undefined) {
      if (this.#failed.size < (this.#proven ? provenThreshold : threshold)) return;
      this.#refusal = { code, message, sinceMs: clock.nowMs() };
      this.#probeAtMs = notBeforeMs ?? clock.monotonicMs() + probePauseMs(0, probe, dice());
      this.#tell();
    } else if (wasProbe) {
      // Work that was under way when it opened also fails; only a probe's failure lengthens the pause.
      this.#probes += 1;
      this.#probeAtMs = notBeforeMs ?? clock.monotonicMs() + probePauseMs(this.#probes, probe, dice());
      // Each file words it a little differently: said anew only when the reason is another, or hourly.
      const tell = this.#refusal.code !== code || clock.monotonicMs() - this.#toldAtMs >= REMIND_MS;
      this.#refusal = { code, message, sinceMs: this.#refusal.sinceMs };
      if (tell) this.#tell();
    }
  }

  /** The work ended without a word from the party: the probe is still to be made. */
  withdraw(): void {
    this.#probing = false;
  }

  /** What it refused for may be over: the next probe is due. */
  probeNow(): void {
    this.#probeAtMs = this.options.clock.monotonicMs();
  }

  #tell(): void {
    this.#toldAtMs = this.options.clock.monotonicMs();
    this.options.onChange(this.#refusal);
  }
}
