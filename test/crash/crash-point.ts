/** The process is gone. Only the dead ever see it. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';

  constructor() {
    super('the process was killed');
  }
}

export type Moment = 'before' | 'after';

/** The ledger's. */
export type Write = <R>(change: () => R) => Promise<R>;

/** Which call is the last: the n-th of all, or the n-th of one name. 1-based. */
export interface CrashAt {
  readonly name?: string;
  readonly n: number;
  readonly when: Moment;
}

/**
 * Counts the calls by which one incarnation of the process reaches the world, and kills it before or after one of
 * them. From then on nothing it does gets out, and nobody in it hears of what was under way.
 */
export class CrashPoint {
  /** Resolves at death. */
  readonly died: Promise<void>;
  /** Calls and commits that were under way at death: what they did, nobody heard. */
  unheard = 0;
  #die: () => void = () => undefined;
  #counts = new Map<string, number>();
  #total = 0;
  #open = 0;
  #killedIn: string | undefined;

  constructor(private readonly at: CrashAt | undefined) {
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  /** The call it died at. */
  get killedIn(): string | undefined {
    return this.#killedIn;
  }

  /** A call to the far side. */
  async call<T>(name: string, real: () => Promise<T>): Promise<T> {
    const isLast = this.#enter(name);
    try {
      return await real();
    } finally {
      this.#leave(isLast, name);
    }
  }

  /** A call to the file system. */
  callSync<T>(name: string, real: () => T): T {
    const isLast = this.#enter(name);
    try {
      return real();
    } finally {
      this.#leave(isLast, name);
    }
  }

  /** A change of the ledger. Killed after it: it is committed, and so is what came before it in its group. */
  async commit<T>(name: string, write: Write, change: () => T): Promise<T> {
    const isLast = this.#enter(name);
    const result = await write(() => {
      // Of the dead nothing is written. It does not throw: that would undo the others in its group.
      if (this.#killedIn !== undefined && !isLast) return undefined;
      const changed = change();
      if (isLast) this.#kill(name);
      return changed;
    });
    this.#leave(false, name);
    return result as T; // heard by the living only
  }

  #enter(name: string): boolean {
    this.#assertAlive();
    this.#total += 1;
    const ofName = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, ofName);
    const { at } = this;
    const isLast =
      at !== undefined && (at.name === undefined ? at.n === this.#total : at.name === name && at.n === ofName);
    if (isLast && at.when === 'before') {
      this.#kill(name);
      throw new SimulatedCrash();
    }
    this.#open += 1;
    return isLast;
  }

  #leave(isLast: boolean, name: string): void {
    this.#assertAlive();
    if (isLast) {
      this.#kill(name);
      throw new SimulatedCrash();
    }
    this.#open -= 1;
  }

  #kill(name: string): void {
    this.#killedIn = name;
    this.unheard = this.#open;
    this.#die();
  }

  #assertAlive(): void {
    if (this.#killedIn !== undefined) throw new SimulatedCrash();
  }
}
