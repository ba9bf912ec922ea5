import { setMaxListeners } from 'node:events';
import type { Clock } from '../../clock';
import { probePauseMs } from '../../domain/backoff';
import type { Log } from '../../log';
import { RunLoop } from '../../run-loop';
import { IpcError, IpcUnavailable } from './ipc-error';
import type * as Sdk from './sdk';

export interface IpcOptions {
  /** AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT */
  readonly socketPath: string;
  /** SVCUID: good for this process and this run of the nucleus's IPC, no longer. */
  readonly authToken: string;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
  /** The nucleus no longer knows us: only a new process, started by it, can speak with it. */
  readonly onOrphaned: () => void;
}

export interface IpcStream {
  close(): Promise<void>;
}

interface Loaded {
  readonly sdk: typeof Sdk;
  readonly model: ReturnType<typeof Sdk.makeServiceModel>;
}

/** A nucleus under load takes seconds; the SDK itself would wait for ever. */
const ANSWER_WITHIN_MS = 10_000;
const CLOSE_WITHIN_MS = 1_000;
const PAUSE = { baseMs: 500, capMs: 30_000 } as const;
/** A connection that lasts so long was a good one. */
const GOOD_MS = 10_000;
/** Refusals in a row before we believe that our token is no longer good: some fifteen seconds. */
const MAX_REFUSALS = 5;
/** Calls in a row without an answer before the connection is taken to be dead. */
const MAX_UNANSWERED = 10;

/**
 * The connection to the nucleus's IPC: made anew when it is lost, for as long as it takes. Each client of the SDK
 * connects once only, and has to be closed.
 */
export class IpcConnection {
  readonly #loop: RunLoop;
  readonly #connected = new Set<() => void>();
  #loaded: Loaded | undefined;
  #client: Sdk.RpcClient | undefined;
  #lost = new AbortController();
  readonly #stopping = new AbortController();
  #failures = 0;
  #refusals = 0;
  #unanswered = 0;
  #isTold = false;

  constructor(private readonly options: IpcOptions) {
    this.#loop = new RunLoop(() => this.#step(), options.clock);
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  /** Aborts when the connection there is now is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Rejects when the SDK's native part does not load here. */
  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    this.#loop.stop();
    this.#stopping.abort();
    await this.#loop.finished.catch(() => undefined);
  }

  /** Told at each connection: what was subscribed before is gone. And now if there is one. @returns to be told no more */
  onConnected(listener: () => void): () => void {
    this.#connected.add(listener);
    if (this.isConnected) listener();
    return () => this.#connected.delete(listener);
  }

  /** @param operation as AWS names it, without its namespace @throws IpcError, IpcUnavailable */
  async request<Response>(operation: string, request: object): Promise<Response> {
    const { client, sdk, model } = this.#ready(operation);
    return this.#answerOf(operation, () =>
      new sdk.RequestResponseOperation<object, Response>(
        { name: `aws.greengrass#${operation}`, client, options: {} },
        model,
      ).activate(request),
    );
  }

  /** @param onEnded the nucleus has ended it; not told when the connection is lost @throws IpcError, IpcUnavailable */
  async subscribe<Event>(
    operation: string,
    request: object,
    onEvent: (event: Event) => void,
    onEnded: () => void,
  ): Promise<IpcStream> {
    const { client, sdk, model } = this.#ready(operation);
    let isOurs = true;
    let stream: Sdk.StreamingOperation<object, object, void, Event> | undefined;
    await this.#answerOf(operation, () => {
      const opened = new sdk.StreamingOperation<object, object, void, Event>(
        request,
        { name: `aws.greengrass#${operation}`, client, options: {} },
        model,
      );
      stream = opened;
      opened.on('message', onEvent);
      opened.on('streamError', (error) =>
        this.options.log.warn({ reason: error.message }, 'an event of the nucleus cannot be read'),
      );
      opened.on('ended', () => {
        if (isOurs && client === this.#client) onEnded();
        isOurs = false;
      });
      return opened.activate();
    }).catch(async (error: unknown) => {
      isOurs = false;
      if (stream !== undefined) await this.#within(CLOSE_WITHIN_MS, stream.close());
      throw error;
    });
    return {
      close: async () => {
        isOurs = false;
        await this.#within(CLOSE_WITHIN_MS, stream!.close());
      },
    };
  }

  #ready(operation: string): Loaded & { readonly client: Sdk.RpcClient } {
    if (this.#client === undefined || this.#loaded === undefined)
      throw new IpcUnavailable(`${operation}: not connected to the nucleus`);
    return { ...this.#loaded, client: this.#client };
  }

  /**
   * The SDK leaves a call unanswered for ever when the connection is lost under it: so every call has a time of ours.
   * It is left behind rather than cancelled, because a call cancelled while it is sent rejects where nobody can catch it.
   */
  async #answerOf<T>(operation: string, ask: () => Promise<T>): Promise<T> {
    const over = new AbortController();
    const lost = this.#lost.signal;
    // Not AbortSignal.any: in Node 20 each leaves some bytes at a signal that lives for weeks.
    const end = (): void => over.abort();
    if (lost.aborted) end();
    else lost.addEventListener('abort', end);
    let isAnswered = false;
    const tooLate = this.options.clock.sleep(ANSWER_WITHIN_MS, over.signal).then(() => {
      if (isAnswered) return undefined as never;
      if (lost.aborted) throw new IpcUnavailable(`${operation}: the connection to the nucleus is lost`);
      if (++this.#unanswered >= MAX_UNANSWERED) this.#lost.abort(); // they add up until their client is closed
      throw new IpcUnavailable(`${operation}: no answer from the nucleus within ${ANSWER_WITHIN_MS / 1000} s`);
    });
    try {
      const answer = await Promise.race([ask(), tooLate]);
      this.#unanswered = 0;
      return answer;
    } catch (error) {
      throw this.#translate(operation, error);
    } finally {
      isAnswered = true;
      lost.removeEventListener('abort', end);
      end();
    }
  }

  #translate(operation: string, error: unknown): unknown {
    if (error instanceof IpcUnavailable) return error;
    const { serviceError, description } = error as { serviceError?: NamedError; description?: string };
    if (serviceError === undefined) return new IpcUnavailable(`${operation}: ${description ?? String(error)}`);
    const { shape, message, _message } = serviceError;
    return new IpcError(operation, shape, message ?? _message ?? ''); // the second is lite's
  }

  /** One connection, from its making to its end. @returns how long to wait before the next */
  async #step(): Promise<number> {
    const { clock, log, dice } = this.options;
    const { sdk } = this.#load();
    const client = sdk.RpcClient.new(this.#clientConfig(sdk));
    const gone = new Promise<void>((resolve) => client.on('disconnection', () => resolve()));
    const failure = await this.#connect(client);
    if (failure === undefined) {
      const sinceMs = clock.monotonicMs();
      this.#refusals = 0;
      this.#lost = new AbortController();
      setMaxListeners(0, this.#lost.signal); // each call under way listens
      this.#unanswered = 0;
      this.#client = client;
      log.info({}, 'connected to the nucleus');
      this.#isTold = false;
      for (const listener of this.#connected) listener();
      await Promise.race([gone, aborted(AbortSignal.any([this.#stopping.signal, this.#lost.signal]))]);
      this.#client = undefined;
      this.#lost.abort();
      if (clock.monotonicMs() - sinceMs >= GOOD_MS) this.#failures = 0;
    }
    await this.#within(CLOSE_WITHIN_MS, client.close());
    if (this.#loop.isStopping) return 0;
    this.#tell(failure?.reason ?? 'the connection is lost');
    if (failure?.isRefusal && ++this.#refusals >= MAX_REFUSALS) this.options.onOrphaned();
    return probePauseMs(this.#failures++, PAUSE, dice());
  }

  /** @returns why not */
  async #connect(client: Sdk.RpcClient): Promise<{ readonly reason: string; readonly isRefusal: boolean } | undefined> {
    const { RpcErrorType } = this.#loaded!.sdk;
    const over = new AbortController();
    const tooLate = this.options.clock.sleep(ANSWER_WITHIN_MS, AbortSignal.any([over.signal, this.#stopping.signal]));
    try {
      const connected = client.connect().then(() => true);
      if (await Promise.race([connected, tooLate.then(() => false)])) return undefined;
      return { reason: 'the nucleus does not answer', isRefusal: false };
    } catch (error) {
      const { type, description, internalError } = error as Partial<Sdk.RpcError>;
      // The socket took us, and then we were turned away or cut off: an unknown token looks like that.
      const isRefusal = type === RpcErrorType.HandshakeError || type === RpcErrorType.NetworkError;
      return { reason: internalError?.message ?? description ?? String(error), isRefusal };
    } finally {
      over.abort();
    }
  }

  #clientConfig({ createDefaultClientConfig }: typeof Sdk): Sdk.RpcClientConfig {
    const payload = JSON.stringify({ authToken: this.options.authToken });
    return {
      ...createDefaultClientConfig(), // that it is a Unix socket
      hostName: this.options.socketPath,
      connectTransform: ({ message }) => Promise.resolve({ ...message, payload }),
    };
  }

  #load(): Loaded {
    if (this.#loaded !== undefined) return this.#loaded;
    const sdk = require('./sdk') as typeof Sdk; // now, and not with the rest: a device without a nucleus never needs it
    const model = sdk.makeServiceModel();
    for (const [shape, read] of model.deserializers) {
      if (!shape.endsWith('Error')) continue;
      model.deserializers.set(shape, (message) => ({ ...read(message), shape: shape.split('#')[1] }));
      for (const { errorShapes } of model.operations.values()) errorShapes.add(shape); // a nucleus answers with others than listed
    }
    this.#loaded = { sdk, model };
    return this.#loaded;
  }

  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    await Promise.race([work.catch(() => undefined), this.options.clock.sleep(ms, over.signal)]);
    over.abort();
  }

  #tell(reason: string): void {
    if (!this.#isTold) this.options.log.warn({ reason }, 'no connection to the nucleus, trying on');
    this.#isTold = true;
  }
}

interface NamedError {
  readonly shape: string;
  readonly message?: string;
  readonly _message?: string;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
