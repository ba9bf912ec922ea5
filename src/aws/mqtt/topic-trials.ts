import type { Clock } from '../../clock';
import { TransferError } from '../../domain/errors';
import { type DeniedAction, explainDenied } from './explain-denied';
import { ConnectionLost } from './mqtt-connection';

/** A denial makes the broker hang up at once; what comes later has other reasons. */
const RIGHT_AFTER_MS = 5_000;
const ENOUGH = 2;
const AGAIN_MS = 24 * 3_600_000;

/**
 * Finds the topic that makes the broker hang up, which it does without a reason. What has not been seen to be allowed
 * is asked for while nothing else is. Hung up on twice, it counts as denied for a day,
 * or less where files wait for it.
 */
export class TopicTrials {
  readonly #allowed = new Set<string>();
  readonly #hangUps = new Map<string, number>();
  readonly #deniedUntilMs = new Map<string, number>();
  readonly #problems = new Map<string, string>();
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;
  #blamed = 0;
  #alone = 0;

  constructor(
    private readonly endpoint: string,
    private readonly clock: Clock,
    /** For so long a denied topic is not asked for. */
    private readonly againMs: (name: string) => number = () => AGAIN_MS,
  ) {}

  /** Sentences that end with the next step. */
  get problems(): string[] {
    return [...this.#problems.values()];
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** How often the broker has hung up on one topic alone. */
  get blamed(): number {
    return this.#blamed;
  }

  /** @throws TransferError MESSAGE_DENIED; what `ask` throws */
  async run<T>(action: DeniedAction, name: string, ask: () => Promise<T>): Promise<T> {
    const what = `${action} ${name}`;
    this.#throwIfDenied(what);
    const isAlone = !this.#allowed.has(what);
    if (isAlone) this.#alone++; // from now on: or those that may go together would never leave it a gap
    try {
      while (isAlone ? this.#inFlight > 0 : this.#alone > 0) await this.#change();
      this.#throwIfDenied(what); // the one before it was the same
      this.#inFlight++;
      try {
        return await this.#try(what, name, isAlone, ask, () => explainDenied(action, name, this.endpoint));
      } finally {
        this.#inFlight--;
      }
    } finally {
      if (isAlone) this.#alone--;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  async #try<T>(
    what: string,
    name: string,
    isAlone: boolean,
    ask: () => Promise<T>,
    explain: () => string,
  ): Promise<T> {
    const sinceMs = this.clock.monotonicMs();
    try {
      const answer = await ask();
      this.#allowed.add(what);
      for (const map of [this.#hangUps, this.#deniedUntilMs, this.#problems]) map.delete(what);
      return answer;
    } catch (error) {
      const isHangUp = error instanceof ConnectionLost && error.isHangUp;
      if (!isHangUp || this.clock.monotonicMs() - sinceMs > RIGHT_AFTER_MS) throw error;
      this.#allowed.delete(what); // one of several: which, will be seen when each is alone
      if (!isAlone) throw error;
      this.#blamed++;
      const hangUps = (this.#hangUps.get(what) ?? 0) + 1;
      this.#hangUps.set(what, hangUps);
      if (hangUps < ENOUGH) throw error;
      this.#deniedUntilMs.set(what, this.clock.monotonicMs() + this.againMs(name));
      this.#problems.set(what, explain());
      throw new TransferError('MESSAGE_DENIED', explain(), { cause: error });
    }
  }

  /** Asked again on the same day, it would cost a connection each time. */
  #throwIfDenied(what: string): void {
    if (this.clock.monotonicMs() < (this.#deniedUntilMs.get(what) ?? 0))
      throw new TransferError('MESSAGE_DENIED', this.#problems.get(what)!);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
