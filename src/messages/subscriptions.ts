import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock';
import { probePauseMs } from '../domain/backoff';
import { asTransferError, hasCode } from '../domain/errors';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import type { Bus, OnMessage, Subscription } from './bus';
import { DeniedTopics } from './denied-topics';

export interface SubscriptionsOptions {
  readonly bus: Bus;
  /** Of this thing alone: what we publish to it must come back. Absent: those who ask find out by their answers. */
  readonly selfTopic: string | undefined;
  /** Told at each connection, when every topic is subscribed, or denied. */
  readonly onSettled?: () => void;
  readonly proveEveryMs: number;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
}

interface Wanted {
  readonly topic: string;
  readonly onMessage: OnMessage;
  held: Subscription | undefined;
}

/** How long our own message may take to come back: over a satellite and two queues. */
const ANSWER_WITHIN_MS = 30_000;
const PAUSE = { baseMs: 1_000, capMs: 300_000 } as const;
const IDLE_MS = 3_600_000;

/**
 * Keeps topics subscribed. After its MQTT daemon was restarted, a nucleus goes on taking messages from us and hands us
 * none, without a word: so a message to ourselves proves that the way back is open, and else every subscription is
 * made anew.
 */
export class Subscriptions {
  readonly #loop: RunLoop;
  readonly #denied: DeniedTopics;
  readonly #wanted: Wanted[] = [];
  readonly #self: Wanted | undefined;
  #hasSettled = false;
  #isDoubted = false;
  #unlisten: () => void = () => undefined;
  /** The proof under way is over. */
  #concludeProof: (how: 'open' | 'moot') => void = () => undefined;
  #nonce = '';
  #failures = 0;
  /** Of the proof's message, in a row. */
  #refusals = 0;
  /** One of them, since the last step. */
  #hasEnded = false;
  #proveAtMs = 0;
  #unproven = 0;

  constructor(private readonly options: SubscriptionsOptions) {
    this.#loop = new RunLoop(() => this.#step(), options.clock);
    this.#denied = new DeniedTopics(options.clock, options.log);
    const { selfTopic } = options;
    if (selfTopic !== undefined)
      this.#self = {
        topic: selfTopic,
        held: undefined,
        onMessage: (_, payload) => {
          if (payload.toString() === this.#nonce) this.#concludeProof('open');
        },
      };
  }

  get status(): { readonly topics: readonly string[]; readonly problems: readonly string[] } {
    return {
      topics: this.#wanted.filter(({ held }) => held !== undefined).map(({ topic }) => topic),
      problems: this.#denied.problems,
    };
  }

  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#unlisten = this.options.bus.onConnected(() => {
      for (const one of this.#all) one.held = undefined; // they went with the connection before
      this.#hasSettled = false;
      this.#failures = 0;
      this.#refusals = 0;
      this.#proveAtMs = 0;
      this.#concludeProof('moot');
      this.#denied.tryAgain();
      this.#loop.wake();
    });
    this.#loop.start();
    return this;
  }

  add(topic: string, onMessage: OnMessage): void {
    this.#wanted.push({ topic, onMessage, held: undefined });
    this.#loop.wake();
  }

  async stop(): Promise<void> {
    this.#unlisten();
    const stopped = this.#loop.stop();
    this.#concludeProof('moot');
    await stopped;
    await this.#closeAll();
  }

  /** @returns for how many milliseconds there is nothing to do */
  async #step(): Promise<number> {
    const { clock, dice, proveEveryMs } = this.options;
    if (this.#wanted.length === 0) return IDLE_MS;
    if (this.#hasEnded) {
      this.#hasEnded = false;
      return PAUSE.baseMs; // it may end again at once
    }
    if (this.#isDoubted) {
      this.#isDoubted = false;
      this.options.log.warn({}, 'answers do not come, subscribing anew');
      await this.#closeAll();
      this.#hasSettled = false;
    }
    // One at a time: where a cloud answers a denial by hanging up, that is how the denied one is found.
    for (const one of this.#all) {
      if (this.#loop.isStopping) return 0;
      if (!(await this.#hold(one))) return probePauseMs(this.#failures++, PAUSE, dice());
    }
    this.#failures = 0;
    if (!this.#hasSettled) {
      this.#hasSettled = true;
      this.options.onSettled?.();
    }
    if (this.#self?.held === undefined) return proveEveryMs; // denied, and told: there is no proof to be had
    const waitMs = this.#proveAtMs - clock.monotonicMs();
    if (waitMs > 0) return waitMs;
    const proof = await this.#prove(this.#self.topic);
    if (proof === 'moot' || this.#loop.isStopping) return 0;
    if (proof === 'no way out') return probePauseMs(this.#refusals++, PAUSE, dice());
    this.#refusals = 0;
    this.#proveAtMs = clock.monotonicMs() + proveEveryMs;
    if (proof === 'open') {
      this.#unproven = 0;
      return proveEveryMs;
    }
    await this.#renew();
    return 0;
  }

  /** @returns false when there is no bus now */
  async #hold(one: Wanted): Promise<boolean> {
    if (one.held !== undefined || this.#denied.blocked().includes(one.topic)) return true;
    try {
      let held: Subscription | undefined;
      let hasEnded = false;
      held = await this.options.bus.subscribe(one.topic, one.onMessage, () => {
        hasEnded = true;
        this.#hasEnded = true;
        this.#hasSettled = false;
        if (one.held === held) one.held = undefined;
        if (one === this.#self) this.#concludeProof('moot');
        this.#loop.wake();
      });
      if (!hasEnded) one.held = held;
      this.#denied.remove(one.topic);
      return true;
    } catch (error) {
      if (hasCode(error, 'MESSAGE_DENIED')) {
        this.#denied.add(one.topic, error.message);
        return true;
      }
      this.options.log.debug(
        { topic: one.topic, reason: asTransferError(error).message },
        'not subscribed, again later',
      );
      return false;
    }
  }

  async #prove(selfTopic: string): Promise<'open' | 'silent' | 'moot' | 'no way out'> {
    const { bus, clock } = this.options;
    const way = `to ${selfTopic}`;
    if (this.#denied.blocked().includes(way)) return 'open'; // as far as we may know
    this.#nonce = randomUUID();
    const over = new AbortController();
    let result: 'open' | 'silent' | 'moot' = 'silent';
    this.#concludeProof = (how) => {
      result = how;
      over.abort();
    };
    try {
      await bus.publish(selfTopic, Buffer.from(this.#nonce));
    } catch (error) {
      if (!hasCode(error, 'MESSAGE_DENIED')) return 'no way out';
      this.#denied.add(way, error.message);
      return 'open';
    }
    this.#denied.remove(way);
    await clock.sleep(ANSWER_WITHIN_MS, over.signal);
    this.#concludeProof = () => undefined;
    return result;
  }

  /** A nucleus that spools takes messages while the link is down: so twice in a row says less than once. */
  async #renew(): Promise<void> {
    if (this.#unproven++ === 0)
      this.options.log.warn({ topic: this.#self!.topic }, 'our own message did not come back, subscribing anew');
    await this.#closeAll();
    this.#proveAtMs = this.options.clock.monotonicMs() + (this.#unproven === 1 ? 0 : this.options.proveEveryMs);
  }

  /** Answers do not come: whatever is subscribed may be so no more. */
  renew(): void {
    this.#isDoubted = true;
    this.#loop.wake();
  }

  get #all(): readonly Wanted[] {
    return this.#self === undefined ? this.#wanted : [...this.#wanted, this.#self];
  }

  async #closeAll(): Promise<void> {
    for (const one of this.#all) {
      const { held } = one;
      one.held = undefined;
      await held?.close();
    }
  }
}
