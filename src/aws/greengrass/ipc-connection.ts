import type { Clock } from '../../clock';
import { probePauseMs } from '../../domain/backoff';
import type { Log } from '../../log';
import { RunLoop } from '../../run-loop';
import { IpcClient } from './ipc-client';
import { IpcRefused, IpcUnavailable } from './ipc-error';

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

const PAUSE = { baseMs: 500, capMs: 30_000 } as const;
/** A connection that lasts so long was a good one. */
const GOOD_MS = 10_000;
/** Refusals in a row before we believe that our token is no longer good: some fifteen seconds. */
const MAX_REFUSALS = 5;
/** Calls in a row without an answer before the connection is taken to be dead. */
const MAX_UNANSWERED = 10;

/** The connection to the nucleus's IPC: made anew when it is lost, for as long as it takes. */
export class IpcConnection {
  readonly #loop: RunLoop;
  readonly #connected = new Set<() => void>();
  #client: IpcClient | undefined;
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

  /** Rejects when the connection itself broke: a defect. */
  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#client?.close();
    await this.#loop.stop();
  }

  /** Told at each connection: what was subscribed before is gone. And now if there is one. @returns to be told no more */
  onConnected(listener: () => void): () => void {
    this.#connected.add(listener);
    if (this.isConnected) listener();
    return () => this.#connected.delete(listener);
  }

  /** @param operation as AWS names it, without its namespace @throws IpcError, IpcUnavailable */
  async request<Response>(operation: string, request: object): Promise<Response> {
    const response = await this.#ready(operation).request<Response>(operation, request);
    this.#unanswered = 0;
    return response;
  }

  /** @param onEnded the nucleus has ended it; not told when the connection is lost @throws IpcError, IpcUnavailable */
  async subscribe<Event>(
    operation: string,
    request: object,
    onEvent: (event: Event) => void,
    onEnded: () => void,
  ): Promise<IpcStream> {
    const end = await this.#ready(operation).subscribe(operation, request, onEvent, onEnded);
    return { close: () => Promise.resolve(end()) };
  }

  #ready(operation: string): IpcClient {
    if (this.#client === undefined) throw new IpcUnavailable(`${operation}: not connected to the nucleus`);
    return this.#client;
  }

  /** One connection, from its making to its end. @returns how long to wait before the next */
  async #step(): Promise<number> {
    const { clock, log, dice, socketPath, authToken } = this.options;
    try {
      const client = await IpcClient.connect(
        socketPath,
        authToken,
        clock,
        () => this.#onUnanswered(),
        this.#stopping.signal,
      );
      const sinceMs = clock.monotonicMs();
      this.#refusals = 0;
      this.#unanswered = 0;
      this.#isTold = false;
      this.#lost = new AbortController();
      this.#client = client;
      log.info({}, 'connected to the nucleus');
      for (const listener of this.#connected) listener();
      if (this.#loop.isStopping) client.close();
      await client.closed;
      this.#client = undefined;
      this.#lost.abort();
      if (clock.monotonicMs() - sinceMs >= GOOD_MS) this.#failures = 0;
      this.#tell('the connection is lost');
    } catch (error) {
      const isRefusal = error instanceof IpcRefused;
      if (!isRefusal && !(error instanceof IpcUnavailable)) throw error;
      this.#tell(error.message);
      if (isRefusal && ++this.#refusals >= MAX_REFUSALS) this.options.onOrphaned();
    }
    return probePauseMs(this.#failures++, PAUSE, dice());
  }

  #onUnanswered(): void {
    if (++this.#unanswered >= MAX_UNANSWERED) this.#client?.close();
  }

  #tell(reason: string): void {
    if (!this.#isTold && !this.#loop.isStopping)
      this.options.log.warn({ reason }, 'no connection to the nucleus, trying on');
    this.#isTold = true;
  }
}
