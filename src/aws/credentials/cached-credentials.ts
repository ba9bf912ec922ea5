import type { Clock } from '../../clock';
import type { CredentialsSource, SessionCredentials } from './session-credentials';

export interface FreshCredentials {
  readonly credentials: SessionCredentials;
  /** From now on, by the issuer's own clock: ours may be wrong. */
  readonly lifetimeMs: number;
}

/** Renewed when so much of the lifetime is left, at most so long: a transfer under way should not meet the end. */
const RENEW_SHARE = 0.2;
const RENEW_AT_MOST_MS = 5 * 60_000;
const RENEW_AGAIN_MS = 60_000;

/**
 * Keeps credentials in memory and asks for new ones only when somebody needs them: an idle device pays no renewals.
 * All who ask at once share one call.
 */
export class CachedCredentials implements CredentialsSource {
  #held: SessionCredentials | undefined;
  #renewAtMs = 0;
  #expiresAtMs = 0;
  #fetching: Promise<SessionCredentials> | undefined;

  constructor(
    private readonly fetch: () => Promise<FreshCredentials>,
    private readonly clock: Clock,
  ) {}

  /** Seconds until the held ones expire; undefined when none are held. */
  get expiresInSeconds(): number | undefined {
    return this.#held && Math.round((this.#expiresAtMs - this.clock.monotonicMs()) / 1000);
  }

  async get(): Promise<SessionCredentials> {
    const nowMs = this.clock.monotonicMs();
    if (this.#held !== undefined && nowMs < Math.min(this.#renewAtMs, this.#expiresAtMs)) return this.#held;
    this.#fetching ??= this.#renew().finally(() => {
      this.#fetching = undefined;
    });
    const held = this.#held;
    if (held === undefined || nowMs >= this.#expiresAtMs) return this.#fetching;
    this.#fetching.catch(() => undefined); // still valid: nobody waits, and the next attempt is made in a while
    return held;
  }

  invalidate(used: SessionCredentials): void {
    if (this.#held?.sessionToken === used.sessionToken) this.#held = undefined;
  }

  isExpired(used: SessionCredentials): boolean {
    return this.#held?.sessionToken !== used.sessionToken || this.clock.monotonicMs() >= this.#expiresAtMs;
  }

  async #renew(): Promise<SessionCredentials> {
    const { credentials, lifetimeMs } = await this.fetch().catch((error: unknown) => {
      const leftMs = this.#expiresAtMs - this.clock.monotonicMs();
      this.#renewAtMs = this.clock.monotonicMs() + Math.max(0, Math.min(RENEW_AGAIN_MS, leftMs / 4));
      throw error;
    });
    const nowMs = this.clock.monotonicMs();
    this.#expiresAtMs = nowMs + lifetimeMs;
    this.#renewAtMs = this.#expiresAtMs - Math.min(RENEW_AT_MOST_MS, lifetimeMs * RENEW_SHARE);
    this.#held = credentials;
    return credentials;
  }
}
