import type { Clock } from '../../clock';
import { probePauseMs, type RetryPolicy } from '../../domain/backoff';
import { asTransferError, TransferError } from '../../domain/errors';
import type { CredentialsSource, SessionCredentials } from './session-credentials';

export interface FreshCredentials {
  readonly credentials: SessionCredentials;
  /** From now on, by the issuer's own clock: ours may be wrong. */
  readonly lifetimeMs: number;
}

export interface CachedCredentialsOptions {
  readonly fetch: () => Promise<FreshCredentials>;
  /** Longest pause between two calls that fail. */
  readonly probeMaxMs: number;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
}

/** Why there are none, for a person. */
export interface CredentialsFailure {
  readonly code: string;
  readonly message: string;
  readonly sinceMs: number;
  /** Monotonic milliseconds: the source is not asked before. */
  readonly againAtMs: number;
  /** In a row. */
  readonly failures: number;
}

/** Renewed when so much of the lifetime is left, at most so long: a transfer under way should not meet the end. */
const RENEW_SHARE = 0.2;
const RENEW_AT_MOST_MS = 5 * 60_000;
const RENEW_AGAIN_MS = 60_000;
const PAUSE_BASE_MS = 1_000;
/** Where no connection comes about a call costs next to nothing, and who watches the link knows when to ask. */
const UNREACHABLE_PAUSE: RetryPolicy = { baseMs: 250, capMs: 250 };
/** A clock is set from one moment to the next. */
const CLOCK_PAUSE_MAX_MS = 10_000;

/**
 * Keeps credentials in memory and asks for new ones only when somebody needs them: an idle device pays no renewals.
 * All who ask at once share one call. After one that failed the source is left in peace for a pause that doubles, and
 * who asks meanwhile is told what it said last: metered data would go for nothing.
 */
export class CachedCredentials implements CredentialsSource {
  #held: SessionCredentials | undefined;
  #renewAtMs = 0;
  #expiresAtMs = 0;
  #fetching: Promise<SessionCredentials> | undefined;
  #failure: (CredentialsFailure & { readonly error: unknown }) | undefined;
  /** S3 took it for expired. */
  #refusedToken: string | undefined;

  constructor(private readonly options: CachedCredentialsOptions) {}

  /** Seconds until the held ones expire; undefined when none are held. */
  get expiresInSeconds(): number | undefined {
    return this.#held && Math.round((this.#expiresAtMs - this.options.clock.monotonicMs()) / 1000);
  }

  get failure(): CredentialsFailure | undefined {
    return this.#failure;
  }

  /** Whether `get` gives some without a call. */
  get isHolding(): boolean {
    return this.#held !== undefined && this.options.clock.monotonicMs() < this.#expiresAtMs;
  }

  async get(): Promise<SessionCredentials> {
    const nowMs = this.options.clock.monotonicMs();
    if (this.#held !== undefined && nowMs < Math.min(this.#renewAtMs, this.#expiresAtMs)) return this.#held;
    const held = this.isHolding ? this.#held : undefined;
    if (this.#fetching === undefined && this.#failure !== undefined && nowMs < this.#failure.againAtMs) {
      if (held !== undefined) return held;
      throw this.#failure.error;
    }
    this.#fetching ??= this.#renew().finally(() => {
      this.#fetching = undefined;
    });
    if (held === undefined) return this.#fetching;
    this.#fetching.catch(() => undefined); // still valid: nobody waits, and the next attempt is made in a while
    return held;
  }

  /** Credentials that came without being asked for. */
  take({ credentials, lifetimeMs }: FreshCredentials): void {
    const nowMs = this.options.clock.monotonicMs();
    if (this.isHolding && nowMs + lifetimeMs < this.#expiresAtMs) return;
    if (credentials.sessionToken === this.#refusedToken) return;
    this.#failure = undefined;
    this.#expiresAtMs = nowMs + lifetimeMs;
    // Not all devices that were told together are to ask together.
    const share = RENEW_SHARE * (0.75 + this.options.dice() / 2);
    this.#renewAtMs = this.#expiresAtMs - Math.min(RENEW_AT_MOST_MS, lifetimeMs * share);
    this.#held = credentials;
  }

  invalidate(used: SessionCredentials): void {
    if (this.#held?.sessionToken !== used.sessionToken) return;
    this.#refusedToken = used.sessionToken;
    this.#held = undefined;
  }

  isExpired(used: SessionCredentials): boolean {
    return this.#held?.sessionToken !== used.sessionToken || this.options.clock.monotonicMs() >= this.#expiresAtMs;
  }

  async #renew(): Promise<SessionCredentials> {
    try {
      const fresh = await this.options.fetch();
      if (fresh.credentials.sessionToken === this.#refusedToken) throw sameAgain();
      this.#held = undefined; // whatever it was, the source knows better
      this.take(fresh);
      return fresh.credentials;
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #failed(error: unknown): void {
    const { clock, dice } = this.options;
    const nowMs = clock.monotonicMs();
    const { code, message } = asTransferError(error);
    const failures = (this.#failure?.failures ?? 0) + 1;
    const pauseMs = probePauseMs(failures - 1, this.#pauseAfter(code), dice());
    const sinceMs = this.#failure?.sinceMs ?? clock.nowMs();
    this.#failure = { code, message, sinceMs, againAtMs: nowMs + pauseMs, failures, error };
    const leftMs = this.#expiresAtMs - nowMs;
    this.#renewAtMs = nowMs + Math.max(0, Math.min(RENEW_AGAIN_MS, leftMs / 4));
  }

  #pauseAfter(code: string): RetryPolicy {
    const capMs = this.options.probeMaxMs;
    if (code === 'CREDENTIALS_UNREACHABLE') return UNREACHABLE_PAUSE;
    return {
      baseMs: Math.min(PAUSE_BASE_MS, capMs),
      capMs: code === 'CLOCK_WRONG' ? Math.min(CLOCK_PAUSE_MAX_MS, capMs) : capMs,
    };
  }
}

const sameAgain = (): TransferError =>
  new TransferError(
    'CREDENTIALS_UNWELL',
    "S3 takes the credentials for expired, and their source hands out the same again; check this device's clock and the source's. They are replaced five minutes before their end, or when a nucleus starts anew",
  );
