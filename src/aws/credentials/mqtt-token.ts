import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock';
import { asTransferError, hasCode, TransferError } from '../../domain/errors';
import type { Bus, Subscription } from '../../messages/bus';
import type { FreshCredentials } from './cached-credentials';
import { findClockProblem, type Times } from './judge-time';
import { type NoToken, type ParsedToken, parseToken } from './parse-token';
import { findShadowToken, shadowTopics } from './shadow-token';

export interface MqttTokenOptions {
  readonly bus: Bus;
  readonly thing: string;
  readonly requestTopic: string;
  readonly responseTopic: string;
  /** `classic`, or a named shadow's name: tokens are put there on a schedule, and not asked for. */
  readonly shadow: string | undefined;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  /** The cloud's time, where it is known. */
  readonly knownNowMs: () => number | undefined;
  /** A token that nobody had asked for. */
  readonly onPushed: (fresh: FreshCredentials) => void;
}

interface Asking {
  readonly requestId: string;
  readonly settle: (answer: ParsedToken) => void;
  /** Came meanwhile, perhaps from a queue, and is over: what is told when nothing better comes. */
  stale: ParsedToken | undefined;
}

/** A fleet that was switched on together need not ask together. */
const SPREAD_MS = 1_000;

/**
 * Credentials by message: a request on one topic, a token on another, or a token in the thing's shadow. A request is
 * of use only now: it is never stored. What comes is kept in memory alone, whether it was asked for or not.
 */
export class MqttToken {
  readonly #listening = new Map<string, Promise<Subscription>>();
  readonly #stopping = new AbortController();
  #asking: Asking | undefined;
  #unlisten: () => void = () => undefined;

  constructor(private readonly options: MqttTokenOptions) {}

  /** Listens from now on, at each connection anew. */
  start(): void {
    this.#unlisten = this.options.bus.onConnected(() => {
      this.#listening.clear(); // they went with the connection before
      this.#listen().catch(() => undefined); // said when a token is needed
    });
  }

  async stop(): Promise<void> {
    this.#unlisten();
    this.#stopping.abort();
    await this.#listenAnew();
  }

  /** @throws TransferError CREDENTIALS_UNREACHABLE, CREDENTIALS_UNWELL, CREDENTIALS_REFUSED, CLOCK_WRONG */
  async fetch(): Promise<FreshCredentials> {
    const clockProblem = findClockProblem(this.#times);
    if (clockProblem !== undefined) throw new TransferError('CLOCK_WRONG', clockProblem);
    const { clock, dice } = this.options;
    await this.#heeded(this.#listen());
    await clock.sleep(dice() * SPREAD_MS, this.#stopping.signal);
    const answer = await this.#ask();
    if (answer?.kind === 'token') return answer.fresh;
    if (this.#stopping.signal.aborted) throw new TransferError('STOPPING', 'stopping');
    if (answer === undefined) await this.#listenAnew(); // a nucleus may have forgotten that we listen, without a word
    throw this.#explain(answer);
  }

  get #topics(): { readonly ask: string; readonly hear: readonly string[] } {
    const { requestTopic, responseTopic, shadow, thing } = this.options;
    if (shadow === undefined) return { ask: requestTopic, hear: [responseTopic] };
    const { get, answer, delta } = shadowTopics(thing, shadow);
    return { ask: get, hear: [answer, delta] };
  }

  get #times(): Times {
    return { nowMs: this.options.clock.nowMs(), knownNowMs: this.options.knownNowMs() };
  }

  async #listen(): Promise<void> {
    for (const topic of this.#topics.hear) {
      let listening = this.#listening.get(topic);
      if (listening === undefined) {
        const forget = (): void => {
          if (this.#listening.get(topic) === listening) this.#listening.delete(topic);
        };
        listening = this.options.bus.subscribe(topic, (_, payload) => this.#hear(topic, payload), forget);
        this.#listening.set(topic, listening);
        listening.catch(forget);
      }
      await listening;
    }
  }

  async #listenAnew(): Promise<void> {
    const before = [...this.#listening.values()];
    this.#listening.clear();
    for (const listening of before) await listening.then((one) => one.close()).catch(() => undefined);
  }

  /** @returns undefined when nobody answers in time */
  async #ask(): Promise<ParsedToken | undefined> {
    const { bus, clock, shadow, timeoutMs } = this.options;
    const requestId = randomUUID();
    const over = new AbortController();
    try {
      const answered = new Promise<ParsedToken>((settle) => {
        this.#asking = { requestId, settle, stale: undefined };
      });
      const request = shadow === undefined ? JSON.stringify({ requestId }) : '';
      await this.#heeded(bus.publish(this.#topics.ask, Buffer.from(request), { isFleeting: true }));
      const limit = AbortSignal.any([over.signal, this.#stopping.signal]);
      return await Promise.race([answered, clock.sleep(timeoutMs, limit).then(() => this.#asking?.stale)]);
    } finally {
      over.abort();
      this.#asking = undefined;
    }
  }

  #hear(topic: string, payload: Buffer): void {
    const isShadow = this.options.shadow !== undefined;
    const parsed = isShadow ? findShadowToken(payload, this.#times) : parseToken(payload, this.#times);
    const asking = this.#asking;
    if (parsed?.kind === 'token') {
      if (asking !== undefined) asking.settle(parsed);
      else this.options.onPushed(parsed.fresh);
      return;
    }
    // A difference without a token, and the answer to somebody else, say nothing of ours.
    if (isShadow && topic !== this.#topics.hear[0]) return;
    if (parsed?.kind === 'refused' && parsed.requestId !== undefined && parsed.requestId !== asking?.requestId) return;
    if (parsed?.kind === 'expired' && asking !== undefined) asking.stale = parsed;
    else asking?.settle(parsed ?? { kind: 'unusable', problem: 'without a token' });
  }

  async #heeded<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      const { message } = asTransferError(cause);
      if (hasCode(cause, 'MESSAGE_DENIED')) throw new TransferError('CREDENTIALS_REFUSED', message, { cause });
      throw new TransferError(
        'CREDENTIALS_UNREACHABLE',
        `no token can be asked for: ${message}; if it lasts, see what courier status says of mqtt, or the nucleus's log`,
        { cause },
      );
    }
  }

  #explain(answer: NoToken | undefined): TransferError {
    const { shadow, requestTopic, responseTopic, timeoutMs } = this.options;
    const where = shadow === undefined ? responseTopic : `the shadow${shadow === 'classic' ? '' : ` ${shadow}`}`;
    switch (answer?.kind) {
      case undefined:
        return new TransferError(
          'CREDENTIALS_UNWELL',
          shadow === undefined
            ? `no token on ${responseTopic} within ${Math.round(timeoutMs / 1000)} s of the request on ${requestTopic}; check that a topic rule takes it, and in its function's log that this may assume the role and publish`
            : `no answer to ${this.#topics.ask} within ${Math.round(timeoutMs / 1000)} s; check that ${where} exists and that the certificate's IoT policy lets the device get it`,
        );
      case 'expired':
        return new TransferError(
          'CREDENTIALS_UNWELL',
          `the token from ${where} ended on ${answer.expiration}, before it came; check what writes it, and this device's clock`,
        );
      case 'refused':
        return new TransferError(
          'CREDENTIALS_REFUSED',
          `whoever answers on ${where} refuses a token: ${answer.reason}; look into the log of its function`,
        );
      case 'unusable':
        return new TransferError(
          'CREDENTIALS_REFUSED',
          `what came from ${where} is no token (${answer.problem}); correct what sends it: AccessKeyId, SecretAccessKey and SessionToken are expected`,
        );
    }
  }
}
