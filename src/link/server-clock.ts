import type { Clock } from '../clock';

/** Beyond this S3 refuses a signature; half of it is where we start to correct. */
const TOLERATED_MS = 5 * 60_000;

/**
 * The cloud's time, learned from `Date` headers. A board without a battery wakes up in 1970 and must still sign.
 * Small differences are left alone: a Date header has whole seconds and travels.
 */
export class ServerClock {
  #offsetMs = 0;
  #isLearned = false;

  constructor(private readonly clock: Clock) {}

  /** Add to the wall clock to get the cloud's. Milliseconds. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  nowMs(): number {
    return this.clock.nowMs() + this.#offsetMs;
  }

  /** Undefined until somebody has told it: our own clock alone proves nothing. */
  knownNowMs(): number | undefined {
    return this.#isLearned ? this.nowMs() : undefined;
  }

  /** @param date the `Date` header of an answer that has just come */
  learn(date: string | undefined): void {
    const serverMs = Date.parse(date ?? '');
    if (Number.isNaN(serverMs)) return;
    const offsetMs = serverMs - this.clock.nowMs();
    this.#isLearned = true;
    this.#offsetMs = Math.abs(offsetMs) > TOLERATED_MS ? offsetMs : 0;
  }
}
