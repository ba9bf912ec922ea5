import type { Clock } from '../../clock';
import { probePauseMs } from '../../domain/backoff';
import { asTransferError } from '../../domain/errors';
import type { CachedCredentials, CredentialsFailure } from './cached-credentials';
import type { CredentialsSource, SessionCredentials } from './session-credentials';

export interface Rung {
  readonly name: string;
  readonly cache: CachedCredentials;
}

export interface LadderOptions {
  /** In the order in which they are wanted. */
  readonly rungs: readonly Rung[];
  /** Longest pause before a better one is tried again. */
  readonly probeMaxMs: number;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  /** Another one is in use now. @param reason why those before it are not */
  readonly onMoved: (name: string, reason: string | undefined) => void;
}

const BETTER_BASE_MS = 60_000;
/** One slow answer is no reason to move. */
const MOST_UNWELL = 2;

/**
 * Several sources in the order in which they are wanted: the next serves while the one before cannot. A better one is
 * tried again behind the back of who asks, who need not wait for it.
 */
export class CredentialLadder implements CredentialsSource {
  #inUse: number | undefined;
  /** Of each rung: when it is tried again, monotonic, while a later one serves. */
  readonly #again: { atMs: number; tries: number }[];

  constructor(private readonly options: LadderOptions) {
    this.#again = options.rungs.map(() => ({ atMs: 0, tries: 0 }));
  }

  /** The one that serves, or that is asked first. */
  get inUse(): Rung {
    return this.options.rungs[this.#inUse ?? 0]!;
  }

  async get(): Promise<SessionCredentials> {
    const { rungs } = this.options;
    const errors: unknown[] = [];
    for (const [at, rung] of rungs.entries()) {
      if (rung.cache.failure !== undefined && this.#isServedBelow(at)) {
        this.#tryAgain(at);
        if (!rung.cache.isHolding) continue;
      }
      try {
        const credentials = await rung.cache.get();
        this.#use(at);
        return credentials;
      } catch (error) {
        if (!isOut(rung.cache.failure)) throw error;
        errors.push(error);
      }
    }
    // What heals by itself goes before what a person must change: there is something to wait for.
    throw errors.find((error) => asTransferError(error).recovery === 'await-link') ?? errors[0];
  }

  invalidate(used: SessionCredentials): void {
    for (const { cache } of this.options.rungs) cache.invalidate(used);
  }

  isExpired(used: SessionCredentials): boolean {
    return this.options.rungs.every(({ cache }) => cache.isExpired(used));
  }

  /** Monotonic milliseconds until when no source is asked. */
  get againAtMs(): number | undefined {
    const times = this.options.rungs.map(({ cache }) => cache.failure?.againAtMs);
    return times.every((atMs) => atMs !== undefined) ? Math.min(...times) : undefined;
  }

  #isServedBelow(at: number): boolean {
    return this.options.rungs.slice(at + 1).some(({ cache }) => cache.isHolding);
  }

  #tryAgain(at: number): void {
    const { clock, dice, probeMaxMs, rungs } = this.options;
    const again = this.#again[at]!;
    const nowMs = clock.monotonicMs();
    if (again.tries > 0 && nowMs < again.atMs) return;
    // Its failure a moment ago is what brought us below: the first try is a pause away.
    if (again.tries > 0) rungs[at]!.cache.get().catch(() => undefined);
    const policy = { baseMs: Math.min(BETTER_BASE_MS, probeMaxMs), capMs: probeMaxMs };
    again.atMs = nowMs + probePauseMs(again.tries, policy, dice());
    again.tries += 1;
  }

  #use(at: number): void {
    const { rungs, onMoved } = this.options;
    this.#again[at] = { atMs: 0, tries: 0 };
    if (this.#inUse === at) return;
    const isFirst = this.#inUse === undefined && at === 0;
    this.#inUse = at;
    if (!isFirst)
      onMoved(
        rungs[at]!.name,
        at === 0
          ? undefined
          : rungs
              .slice(0, at)
              .map(({ cache }) => cache.failure?.message)
              .filter(Boolean)
              .join('; '),
      );
  }
}

function isOut(failure: CredentialsFailure | undefined): boolean {
  switch (failure?.code) {
    case undefined:
      return false;
    case 'CREDENTIALS_REFUSED':
    case 'CREDENTIALS_UNREACHABLE':
    case 'CLOCK_WRONG':
      return true;
    default:
      return failure!.failures >= MOST_UNWELL;
  }
}
