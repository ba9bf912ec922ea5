import type { Body } from '../../upload/body';
import { type Answer, AnswerReader } from './answer-reader';
import type { Connection, ConnectionPool, ConnectionUser } from './connection-pool';
import { StallTimer } from './stall-timer';

export interface ExchangeRequest {
  readonly method: string;
  readonly url: URL;
  /** With query, as signed. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly connections: ConnectionPool;
  /** A request that moves no byte for so long is given up. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** No answer came. `reused`: the connection had served before, so perhaps only its far end had been closed meanwhile. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';

  constructor(
    message: string,
    readonly reused: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** From here on a body waits for `100 Continue`: a refusal known from the head alone should not cost its bytes. */
const EXPECT_CONTINUE_BYTES = 1024 * 1024;
/** Stores that never say 100 get the body after this long. */
const CONTINUE_WAIT_MS = 3_000;

/** How a kept connection fails that the far end had closed meanwhile. */
const HUNG_UP: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/**
 * One request and its answer over a kept connection. @throws NoAnswer, or what reading the body threw
 *
 * HTTP/1.1 by our own hand: Node's client costs three times what this and TLS cost together, and a small file is
 * little else.
 */
export async function exchange(request: ExchangeRequest): Promise<Answer> {
  if (request.signal.aborted) throw new NoAnswer('stopping', false);
  const taken = request.connections.take(request.url, request.stallMs);
  const connection = taken instanceof Promise ? await tunnelled(taken, request.signal) : taken;
  return new Promise((resolve, reject) => new Exchange(request, connection, resolve, reject).start());
}

/** Who no longer waits for the tunnel does not wait; it ends when it comes. */
function tunnelled(tunnel: Promise<Connection>, signal: AbortSignal): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new NoAnswer('stopping', false));
    signal.addEventListener('abort', stop, { once: true });
    tunnel
      .then(
        (connection) => {
          if (signal.aborted) connection.socket.destroy();
          else resolve(connection);
        },
        (cause: Error) => reject(new NoAnswer(cause.message, false, { cause })),
      )
      .finally(() => signal.removeEventListener('abort', stop));
  });
}

class Exchange implements ConnectionUser {
  readonly #connection: Connection;
  readonly #reader: AnswerReader;
  readonly #head: string;
  readonly #expects: boolean;
  #stall: StallTimer | undefined;
  #continueTimer: NodeJS.Timeout | undefined;
  #bodyBegun = false;
  /** The whole request has been handed to the socket. */
  #sent = false;
  #settled = false;
  /** Wakes the writer that waits for its slice to leave. */
  #giveUpSlice: () => void = () => undefined;

  constructor(
    private readonly request: ExchangeRequest,
    connection: Connection,
    private readonly resolve: (answer: Answer) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    this.#expects = (request.body?.sizeBytes ?? 0) >= EXPECT_CONTINUE_BYTES;
    this.#head = writeHead(request, this.#expects);
    this.#reader = new AnswerReader(request.method, () => this.#writeBody());
    this.#connection = connection;
  }

  start(): void {
    const { request } = this;
    this.#connection.user = this;
    this.#stall = new StallTimer(this.#connection.socket, request.stallMs, (quietMs) =>
      this.#fail(new NoAnswer(`no byte moved for ${Math.round(quietMs / 1000)} s`, false)),
    );
    request.signal.addEventListener('abort', this.#onAbort);
    this.#connection.whenReady(() => {
      if (this.#settled) return;
      const { socket } = this.#connection;
      this.#stall?.progress();
      socket.cork(); // a small body leaves together with its head
      socket.write(this.#head, 'latin1');
      if (!this.#expects) this.#writeBody();
      else this.#continueTimer = setTimeout(() => this.#writeBody(), CONTINUE_WAIT_MS);
      socket.uncork();
    });
  }

  onData(bytes: Buffer): void {
    this.#stall?.progress();
    let answer: Answer | undefined;
    try {
      answer = this.#reader.read(bytes);
    } catch (cause) {
      this.#fail(new NoAnswer(`not an answer: ${(cause as Error).message}`, false, { cause }));
      return;
    }
    if (answer !== undefined) this.#succeed(answer);
  }

  onClose(error: NodeJS.ErrnoException | undefined): void {
    const answer = error === undefined ? this.#reader.end() : undefined;
    if (answer !== undefined) {
      this.#succeed(answer);
      return;
    }
    const cut = this.#reader.hasBegun;
    const code = error === undefined ? (cut ? 'the answer was cut' : 'ECONNRESET') : (error.code ?? error.message);
    const reused = this.#connection.served > 0 && !cut && HUNG_UP.has(code);
    this.#fail(new NoAnswer(code, reused, { cause: error }));
  }

  readonly #onAbort = (): void => this.#fail(new NoAnswer('stopping', false));

  #succeed(answer: Answer): void {
    if (this.#settled) return;
    const { connections } = this.request;
    this.#settle();
    // Refused in mid-body, the rest is not wanted, and the connection cannot serve again.
    const whole = this.#sent && (answer.status < 300 || this.#connection.socket.writableLength === 0);
    if (whole && this.#reader.keepsConnection) connections.giveBack(this.#connection, answer.headers['keep-alive']);
    else this.#connection.socket.destroy();
    this.resolve(answer);
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#connection.socket.destroy();
    this.reject(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#stall?.stop();
    clearTimeout(this.#continueTimer);
    this.request.signal.removeEventListener('abort', this.#onAbort);
    this.#giveUpSlice();
  }

  #writeBody(): void {
    clearTimeout(this.#continueTimer);
    if (this.#bodyBegun || this.#settled) return;
    this.#bodyBegun = true;
    this.#writeSlices().catch((error: unknown) => this.#fail(error));
  }

  async #writeSlices(): Promise<void> {
    const slices = this.request.body?.slices() ?? [];
    if (Array.isArray(slices) && slices.length <= 1) {
      if (slices.length === 1) this.#connection.socket.write(slices[0]);
    } else {
      for await (const slice of slices) {
        if (this.#settled) return;
        await this.#flushed(slice);
        this.#stall?.progress();
      }
    }
    this.#sent = true;
  }

  /** Until the slice has left: then, and not before, its memory may be used for the next. */
  #flushed(slice: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#giveUpSlice = resolve;
      this.#connection.socket.write(slice, () => resolve());
    });
  }
}

/** What a header's value and a path may not hold: it would end there, and another begin. */
const ODD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const ODD_PATH = /[^\x21-\x7e]/;

function writeHead({ method, path, headers }: ExchangeRequest, expects: boolean): string {
  if (ODD_PATH.test(path)) throw new Error('a path with characters that must be escaped');
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (const name in headers) {
    const value = headers[name]!;
    if (ODD_VALUE.test(value)) throw new Error(`the header ${name} cannot hold its value`);
    head += `${name}: ${value}\r\n`;
  }
  return `${head}${expects ? 'expect: 100-continue\r\n' : ''}\r\n`;
}
