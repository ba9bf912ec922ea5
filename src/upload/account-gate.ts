import type { Clock } from '../clock';
import type { RetryPolicy } from '../domain/backoff';
import type { TransferError } from '../domain/errors';
import { Breaker, type Refusal } from '../link/breaker';
import type { Log } from '../log';

export interface GateStatus {
  /** Who refuses: `s3`, `credentials`, `clock` (this device's), or the key prefix the account denies. */
  readonly scope: string;
  readonly code: string;
  readonly message: string;
  readonly sinceMs: number;
  readonly nextProbeInSeconds: number;
}

/** How many different files must fail in a row before the party itself is taken to be unwell. */
const SERVICE_THRESHOLD = 3;
const SERVICE_POLICY: RetryPolicy = { baseMs: 1_000, capMs: 60_000 };
const ACCOUNT_BASE_MS = 2_000;

/**
 * Which work may start, seen from the far side: S3 as a service, the credentials, and access to each key prefix have
 * a breaker each. What they refuse costs no file an attempt.
 */
export class AccountGate {
  readonly #service: Breaker;
  readonly #credentials: Breaker;
  readonly #access = new Map<string, Breaker>();

  constructor(
    private readonly accountProbeMaxMs: number,
    private readonly clock: Clock,
    private readonly dice: () => number,
    private readonly log: Log,
    /** Monotonic milliseconds until when nobody is asked for credentials. */
    private readonly credentialsAgainAtMs: () => number | undefined = () => undefined,
  ) {
    this.#service = this.#breaker('s3', SERVICE_THRESHOLD, SERVICE_POLICY);
    this.#credentials = this.#breaker('credentials', 1, this.#accountPolicy);
  }

  /** How many uploads under this prefix may start now. */
  admits(prefix: string): number {
    return Math.min(...this.#of(prefix).map((breaker) => breaker.admits()));
  }

  enter(prefix: string): void {
    for (const breaker of this.#of(prefix)) breaker.enter();
  }

  succeeded(prefix: string): void {
    for (const breaker of this.#of(prefix)) breaker.succeed();
  }

  /** @returns monotonic milliseconds of the next probe when the failure is the account's and its breaker is open */
  failed(prefix: string, subject: number, error: TransferError): number | undefined {
    const [service, credentials, access] = this.#of(prefix);
    switch (error.code) {
      case 'ACCESS_DENIED':
      case 'BUCKET_MISSING':
      case 'REQUEST_REFUSED':
        service.succeed();
        credentials.succeed();
        access.fail(subject, error.code, error.message);
        return access.probeAtMs;
      case 'CREDENTIALS_REFUSED':
      case 'CLOCK_WRONG':
        service.withdraw();
        access.withdraw();
        credentials.fail(subject, error.code, error.message, this.credentialsAgainAtMs());
        return credentials.probeAtMs;
      case 'S3_THROTTLED':
      case 'S3_INTERNAL':
      case 'CREDENTIALS_EXPIRED':
      case 'CLOCK_SKEWED':
        credentials.succeed();
        access.withdraw();
        service.fail(subject, error.code, error.message);
        return undefined;
      default:
        for (const breaker of this.#of(prefix)) breaker.withdraw();
        return undefined;
    }
  }

  /** There may be credentials now. */
  retryCredentials(): void {
    this.#credentials.probeNow();
  }

  /** Monotonic milliseconds of the next probe that is not due by `afterMs`. */
  nextProbeAtMs(afterMs: number): number | undefined {
    const times = [...this.#all().values()].map((breaker) => breaker.probeAtMs ?? 0).filter((at) => at > afterMs);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  status(): GateStatus[] {
    return [...this.#all()].flatMap(([scope, breaker]) => {
      const { refusal, probeAtMs } = breaker;
      if (refusal === undefined || probeAtMs === undefined) return [];
      return [
        {
          scope: refusal.code === 'CLOCK_WRONG' ? 'clock' : scope,
          ...refusal,
          nextProbeInSeconds: Math.max(0, Math.round((probeAtMs - this.clock.monotonicMs()) / 1000)),
        },
      ];
    });
  }

  get #accountPolicy(): RetryPolicy {
    return { baseMs: Math.min(ACCOUNT_BASE_MS, this.accountProbeMaxMs), capMs: this.accountProbeMaxMs };
  }

  #of(prefix: string): [service: Breaker, credentials: Breaker, access: Breaker] {
    let access = this.#access.get(prefix);
    if (access === undefined) {
      access = this.#breaker(prefix, 1, this.#accountPolicy);
      this.#access.set(prefix, access);
    }
    return [this.#service, this.#credentials, access];
  }

  #all(): Map<string, Breaker> {
    return new Map([['s3', this.#service], ['credentials', this.#credentials], ...this.#access]);
  }

  #breaker(scope: string, threshold: number, probe: RetryPolicy): Breaker {
    const isAccount = scope !== 's3';
    return new Breaker({
      threshold,
      provenThreshold: SERVICE_THRESHOLD,
      probe,
      clock: this.clock,
      dice: this.dice,
      onChange: (refusal) => this.#tell(scope, isAccount, refusal),
    });
  }

  #tell(scope: string, isAccount: boolean, refusal: Refusal | undefined): void {
    const fields = isAccount && scope !== 'credentials' ? { prefix: scope } : { source: scope };
    if (refusal === undefined) this.log.info(fields, 'accepted again, going on');
    else if (refusal.code === 'CLOCK_WRONG')
      this.log.error(
        { source: 'clock', code: refusal.code, reason: refusal.message },
        'the clock is wrong, files wait',
      );
    else if (isAccount)
      this.log.error(
        { ...fields, code: refusal.code, reason: refusal.message },
        'refused by the account, files wait and nothing is lost',
      );
    else this.log.warn({ ...fields, code: refusal.code, reason: refusal.message }, 'service is not well, files wait');
  }
}
