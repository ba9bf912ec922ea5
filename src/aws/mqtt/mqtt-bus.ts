import type { Clock } from '../../clock';
import type { MqttConnectionStatus } from '../../control/protocol';
import { probePauseMs } from '../../domain/backoff';
import type { ChooseProxy, HttpProxy } from '../../domain/choose-proxy';
import { asTransferError, TransferError } from '../../domain/errors';
import type { Log } from '../../log';
import type { Bus, OnMessage, Subscription } from '../../messages/bus';
import { RunLoop } from '../../run-loop';
import { loadDeviceFiles } from '../credentials/device-files';
import { findValidityProblem } from '../credentials/judge-time';
import type * as Crt from './crt';
import { diagnose, type Verdict } from './diagnose';
import { explainFailure } from './explain-failure';
import { Inlet } from './inlet';
import { ConnectFailed, MqttConnection } from './mqtt-connection';
import { TakeOvers } from './take-overs';
import { TopicTrials } from './topic-trials';

export interface MqttBusOptions {
  readonly host: string;
  readonly port: number;
  /** IoT Core lets a client in once: another with the same id throws it out. */
  readonly clientId: string;
  readonly keepAliveSeconds: number;
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  /** undefined: the CA certificates Node.js brings along. */
  readonly caFile: string | undefined;
  /** Files wait for these: what was not permitted is tried again sooner than in a day, and no other topic with it. */
  readonly needed?: { readonly isTopic: (name: string) => boolean; readonly againMs: number };
  readonly chooseProxy?: ChooseProxy;
  /** The cloud's time, where it is known. */
  readonly knownNowMs?: () => number | undefined;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
}

/** IoT Core takes one CONNECT a second of a client: the shortest pause is half of the first. */
const PAUSE = { baseMs: 2_000, capMs: 900_000 } as const;
/** A connection that lasts so long was a good one. */
const GOOD_MS = 10_000;
const DAY_MS = 24 * 3_600_000;
/** After a take-over: whoever it was may be gone, and one try an hour does it no harm. */
const HOUR_MS = 3_600_000;
/** CONNECTs hung up on before it counts as not permitted. */
const MAX_REFUSALS = 2;

/** AWS IoT Core by a connection of our own: made anew when it is lost, for as long as it takes. */
export class MqttBus implements Bus {
  readonly #loop: RunLoop;
  readonly #trials: TopicTrials;
  readonly #takeOvers = new TakeOvers();
  readonly #inlet = new Inlet();
  readonly #connected = new Set<() => void>();
  readonly #stopping = new AbortController();
  #connection: MqttConnection | undefined;
  #state: {
    readonly state: MqttConnectionStatus['state'];
    readonly reason: string | undefined;
    readonly sinceMs: number;
  };
  #failures = 0;
  #refusals = 0;
  /** What the CRT said last, and what it was found to mean. */
  #diagnosis:
    | { readonly code: string; readonly reason: string; readonly isRefusal: boolean; readonly atMs: number }
    | undefined;

  constructor(private readonly options: MqttBusOptions) {
    const { clock } = options;
    this.#loop = new RunLoop(() => this.#step(), clock);
    this.#trials = new TopicTrials(this.#endpoint, clock, (name) =>
      options.needed?.isTopic(name) === true ? options.needed.againMs : DAY_MS,
    );
    this.#state = { state: 'connecting', reason: undefined, sinceMs: clock.nowMs() };
  }

  get status(): MqttConnectionStatus {
    return { ...this.#state, problems: this.#trials.problems };
  }

  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop.stop();
  }

  /** The cloud can be reached again: a connection that waits for its turn is tried now. */
  wake(): void {
    if (this.#connection !== undefined || this.#state.state === 'off') return;
    this.#failures = 0;
    this.#loop.wake();
  }

  onConnected(listener: () => void): () => void {
    this.#connected.add(listener);
    if (this.#connection !== undefined) listener();
    return () => this.#connected.delete(listener);
  }

  publish(topic: string, payload: Buffer): Promise<void> {
    return this.#asked(() => this.#trials.run('iot:Publish', topic, () => this.#ready().publish(topic, payload)));
  }

  async subscribe(topic: string, onMessage: OnMessage): Promise<Subscription> {
    // Before it is asked for: messages that waited for us come ahead of the answer.
    const outlet = this.#inlet.open(topic, onMessage);
    let connection: MqttConnection | undefined;
    try {
      await this.#asked(() =>
        this.#trials.run('iot:Subscribe', topic, async () => {
          connection = this.#ready();
          await connection.subscribe(topic);
        }),
      );
    } catch (error) {
      outlet.close();
      throw error;
    }
    return {
      close: async () => {
        outlet.close();
        await connection!.unsubscribe(topic).catch(() => undefined); // then it has gone with its connection
      },
    };
  }

  get #endpoint(): string {
    return `${this.options.host}:${this.options.port}`;
  }

  get #proxy(): HttpProxy | undefined {
    return this.options.chooseProxy?.(this.options.host, this.options.port);
  }

  #ready(): MqttConnection {
    if (this.#connection !== undefined) return this.#connection;
    throw new TransferError('BUS_UNAVAILABLE', `not connected to ${this.#endpoint}`);
  }

  async #asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof TransferError) throw cause;
      throw new TransferError('BUS_UNAVAILABLE', cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  /** One connection, from its making to its end. @returns how long to wait before the next */
  async #step(): Promise<number> {
    const { dice } = this.options;
    let connection: MqttConnection;
    try {
      connection = await this.#open();
    } catch (error) {
      this.#takeOvers.forget();
      const { reason, isRefusal } = await this.#explain(error);
      if (this.#loop.isStopping) return 0;
      this.#refusals = isRefusal ? this.#refusals + 1 : 0;
      if (this.#refusals >= MAX_REFUSALS) return this.#turnOff(reason, this.options.needed?.againMs ?? DAY_MS);
      this.#enter('connecting', reason);
      return probePauseMs(this.#failures++, PAUSE, dice());
    }
    const isOurs = await this.#hold(connection);
    if (this.#loop.isStopping) return 0;
    if (!isOurs)
      return this.#turnOff(
        `another client uses the id ${this.options.clientId} and is let in instead; give one of them another id (mqtt.clientId), which must be allowed in the certificate's IoT policy. Until then there are no messages`,
        HOUR_MS,
      );
    return probePauseMs(this.#failures++, PAUSE, dice());
  }

  async #open(): Promise<MqttConnection> {
    const { clock } = this.options;
    const files = loadDeviceFiles(this.options);
    const onMessage = (topic: string, payload: Buffer): void => this.#inlet.take(topic, payload);
    return MqttConnection.open(
      loadCrt(),
      { ...this.options, clock, files, proxy: this.#proxy, onMessage },
      this.#stopping.signal,
    );
  }

  /** @returns whether the id is ours alone, as far as can be seen */
  async #hold(connection: MqttConnection): Promise<boolean> {
    const { clock } = this.options;
    const sinceMs = clock.monotonicMs();
    this.#connection = connection;
    this.#refusals = 0;
    this.#diagnosis = undefined;
    this.#enter('connected', undefined);
    const blamedBefore = this.#trials.blamed;
    let wasAsked = false;
    // Now and not a turn later: those who asked go at once.
    connection.lost.addEventListener('abort', () => {
      wasAsked = this.#trials.inFlight > 0;
    });
    for (const listener of this.#connected) listener();
    await aborted(AbortSignal.any([connection.lost, this.#stopping.signal]));
    const nowMs = clock.monotonicMs();
    const { reason } = connection;
    this.#connection = undefined;
    if (!this.#loop.isStopping)
      this.#enter('connecting', `the connection to ${this.#endpoint} is lost (${reason.message})`);
    await connection.close();
    if (this.#loop.isStopping) return true;
    // A topic that is to blame is found out in two attempts: they need no longer pauses.
    if (this.#trials.blamed > blamedBefore || nowMs - sinceMs >= GOOD_MS) this.#failures = 0;
    if (!wasAsked && reason.isHangUp) return !this.#takeOvers.add(nowMs, sinceMs);
    this.#takeOvers.forget();
    return true;
  }

  /** What keeps us from connecting; asks only when the CRT says something else than before, or an hour has passed. */
  async #explain(error: unknown): Promise<{ readonly reason: string; readonly isRefusal: boolean }> {
    if (!(error instanceof ConnectFailed)) return { reason: asTransferError(error).message, isRefusal: false };
    const { clock, certificateFile, host, port } = this.options;
    const before = this.#diagnosis;
    if (before?.code === error.code && clock.monotonicMs() - before.atMs < HOUR_MS) return before;
    const files = loadDeviceFiles(this.options);
    const nowMs = clock.nowMs();
    const found = await diagnose({ host, port, files, proxy: this.#proxy, clock }, this.#stopping.signal);
    const isHangUp = error.code === HUNG_UP;
    const verdict: Verdict =
      found.kind === 'connect refused' && !isHangUp ? { kind: 'not understood', code: error.code } : found;
    const isReached = verdict.kind === 'certificate refused' || verdict.kind === 'connect refused';
    const knownNowMs = this.options.knownNowMs?.();
    const validity = isReached ? findValidityProblem(certificateFile, { nowMs, knownNowMs }) : undefined;
    const reason = validity?.message ?? explainFailure(verdict, { ...this.options, endpoint: this.#endpoint, nowMs });
    const isRefusal = validity === undefined && verdict.kind === 'connect refused';
    const diagnosis = { code: error.code, reason, isRefusal, atMs: clock.monotonicMs() };
    this.#diagnosis = verdict.kind === 'unreachable' ? undefined : diagnosis; // what was, passes
    return diagnosis;
  }

  #turnOff(reason: string, forMs: number): number {
    this.#failures = 0;
    this.#refusals = 0;
    this.#diagnosis = undefined;
    this.#takeOvers.forget();
    this.#enter('off', reason);
    return forMs;
  }

  /** Told when it changes. */
  #enter(state: MqttConnectionStatus['state'], reason: string | undefined): void {
    const { clock, log } = this.options;
    const before = this.#state;
    const sinceMs = before.state === state ? before.sinceMs : clock.nowMs();
    this.#state = { state, reason, sinceMs };
    if (state === 'connected') log.info({}, 'connected to the broker');
    else if (before.state !== state || before.reason !== reason) {
      if (state === 'off') log.error({ reason: reason! }, 'no messages, files go on; trying again later');
      else log.warn({ reason: reason! }, 'no connection to the broker, trying on');
    }
  }
}

/** Now, and not with the rest: a device that only polls never needs it, and a 32-bit one has none. */
function loadCrt(): typeof Crt {
  try {
    return require('./crt') as typeof Crt;
  } catch (cause) {
    const { message } = cause as Error;
    throw new TransferError(
      'BUS_UNAVAILABLE',
      `AWS's native runtime does not load here (${message.split('\n')[0]}); leave mqtt.endpoint out, the inbox is polled`,
      { cause },
    );
  }
}

/** As the CRT calls it, whoever hangs up and why. */
const HUNG_UP = 'AWS_IO_SOCKET_CLOSED';

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
