import type { Clock } from '../clock';
import { probePauseMs, type RetryPolicy } from '../domain/backoff';
import { TransferError } from '../domain/errors';
import type { Log } from '../log';

/** Who has to answer for the link to be up. */
export type LinkTarget = 's3' | 'credentials';

export interface LinkStatus {
  readonly state: 'up' | 'down';
  readonly target?: LinkTarget;
  readonly reason?: string;
  readonly sinceMs?: number;
}

/** Resolves when the target answers anything at all; rejects when it cannot be reached. */
export type Probe = (signal: AbortSignal) => Promise<void>;

/**
 * Whether the cloud can be reached: one fact for everybody. A failed request asks `verify`; what it learns decides
 * whether the file or the link is to blame. While the link is down nobody tries; one probe is made per pause.
 */
export class Link {
  #status: LinkStatus = { state: 'up' };
  #verifying: Promise<'up' | 'down'> | undefined;
  #recovering: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  #pause = new AbortController();

  constructor(
    private readonly probes: Readonly<Record<LinkTarget, Probe>>,
    private readonly policy: RetryPolicy,
    private readonly clock: Clock,
    private readonly dice: () => number,
    private readonly log: Log,
    private readonly onUp: () => void,
  ) {}

  get status(): LinkStatus {
    return this.#status;
  }

  /** Is it the link? One probe answers all who ask at once; while it is down no further one is made. */
  async verify(target: LinkTarget): Promise<'up' | 'down'> {
    if (this.#status.state === 'down') return 'down';
    this.#verifying ??= this.#probeOnce(target).finally(() => {
      this.#verifying = undefined;
    });
    return this.#verifying;
  }

  /** It may be up again: the next probe is due. */
  wake(): void {
    this.#pause.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled([this.#verifying, this.#recovering]);
  }

  async #probeOnce(target: LinkTarget): Promise<'up' | 'down'> {
    try {
      await this.probes[target](this.#stop.signal);
      return 'up';
    } catch (error) {
      if (this.#stop.signal.aborted) throw new TransferError('STOPPING', 'stopping', { cause: error });
      const reason = reasonOf(error);
      this.#status = { state: 'down', target, reason, sinceMs: this.clock.nowMs() };
      this.log.warn({ source: target, reason }, 'link is down, waiting');
      this.#recovering = this.#recover(target);
      return 'down';
    }
  }

  async #recover(target: LinkTarget): Promise<void> {
    for (let probes = 0; !this.#stop.signal.aborted; probes++) {
      this.#pause = new AbortController();
      const over = AbortSignal.any([this.#stop.signal, this.#pause.signal]);
      await this.clock.sleep(probePauseMs(probes, this.policy, this.dice()), over);
      if (this.#stop.signal.aborted) return;
      try {
        await this.probes[target](this.#stop.signal);
      } catch (error) {
        // Still down, perhaps for another reason than the one that was said when it went down.
        this.#status = { ...this.#status, reason: reasonOf(error) };
        continue;
      }
      this.#status = { state: 'up' };
      this.log.info({ source: target }, 'link is up again');
      this.onUp();
      return;
    }
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
