import {
  type Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Body } from '../../upload/body';
import { findSocketBacklog } from './socket-backlog';

export interface ExchangeRequest {
  readonly method: string;
  readonly url: URL;
  /** With query, as signed. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly agent: Agent;
  /** A request that moves no byte for so long is given up. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
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
/** An answer to a PUT is a few hundred bytes; of anything longer the head is enough. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** How a kept connection fails that the far end had closed meanwhile. */
const HUNG_UP: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/** One request and its answer over a kept connection. @throws NoAnswer, or what reading the body threw */
export function exchange(options: ExchangeRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { url, method, path, headers, agent, body, signal, stallMs } = options;
    if (signal.aborted) {
      reject(new NoAnswer('stopping', false));
      return;
    }
    const expect = (body?.sizeBytes ?? 0) >= EXPECT_CONTINUE_BYTES;
    const request = (url.protocol === 'http:' ? requestHttp : requestHttps)({
      agent,
      method,
      path,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || undefined,
      headers: headerLines(headers, expect),
    });
    const stall = new StallTimer(request, stallMs);
    request.once('socket', () => stall.start()); // waiting for a free connection is no stall
    const onAbort = (): void => {
      request.destroy(new Error('stopping'));
    };
    signal.addEventListener('abort', onAbort);
    const settled = (): void => {
      stall.stop();
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown): void => {
      settled();
      request.destroy();
      reject(error);
    };
    request.on('error', (error: NodeJS.ErrnoException) =>
      fail(
        new NoAnswer(error.code ?? error.message, request.reusedSocket && HUNG_UP.has(error.code ?? ''), {
          cause: error,
        }),
      ),
    );
    let answered = false;
    const unwanted = (): boolean => answered || request.destroyed;
    request.on('response', (response) => {
      answered = true;
      readAnswer(response, stall).then(
        (answer) => {
          settled();
          // Refused in mid-body, the rest is not wanted, and the connection cannot serve again.
          if (answer.status >= 300 && !request.writableFinished) request.destroy();
          resolve(answer);
        },
        (error: Error) => fail(new NoAnswer(error.message, false, { cause: error })),
      );
    });
    if (body === undefined) request.end();
    else if (expect) awaitContinue(request, () => void writeBody(request, body, stall, unwanted).catch(fail));
    else writeBody(request, body, stall, unwanted).catch(fail);
  });
}

/** Flat, name after name, as Node.js writes them down at once; from an object it would keep and check a map of them first. */
function headerLines(headers: Readonly<Record<string, string>>, expect: boolean): string[] {
  const lines: string[] = [];
  for (const name in headers) lines.push(name, headers[name]!);
  if (expect) lines.push('expect', '100-continue');
  return lines;
}

function awaitContinue(request: ClientRequest, go: () => void): void {
  let gone = false;
  const once = (write: boolean) => (): void => {
    clearTimeout(timer);
    if (gone) return;
    gone = true;
    if (write) go();
  };
  const timer = setTimeout(once(true), CONTINUE_WAIT_MS);
  request.once('continue', once(true));
  request.once('response', once(false));
  request.once('close', once(false));
  request.flushHeaders();
}

async function writeBody(
  request: ClientRequest,
  body: Body,
  stall: StallTimer,
  unwanted: () => boolean,
): Promise<void> {
  const slices = body.slices();
  if (Array.isArray(slices) && slices.length <= 1) {
    request.end(slices[0]);
    return;
  }
  for await (const slice of slices) {
    if (unwanted()) return;
    await flushed(request, slice);
    stall.progress();
  }
  request.end();
}

/** Until the slice has left: then, and not before, its memory may be used for the next. */
function flushed(request: ClientRequest, slice: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      request.off('close', done);
      request.off('response', done);
      resolve();
    };
    request.on('close', done);
    request.on('response', done);
    request.write(slice, done);
  });
}

/** By events: an async iterator would cost as much as the rest of the exchange. */
function readAnswer(response: IncomingMessage, stall: StallTimer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      stall.progress();
      bytes += chunk.length;
      if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk);
    });
    response.on('end', () => {
      const text = chunks.length === 0 ? '' : Buffer.concat(chunks).toString('utf8');
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
    response.on('error', reject);
    response.on('close', () => reject(new Error('the answer was cut'))); // after 'end' it says nothing new
  });
}

/** Destroys a request that moves nothing: neither an event here nor a shrinking backlog in the kernel. */
class StallTimer {
  #lastMs = performance.now();
  #backlog: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly request: ClientRequest,
    private readonly stallMs: number,
  ) {}

  start(): void {
    this.progress();
    this.#timer = setTimeout(() => this.#check(), this.stallMs);
  }

  progress(): void {
    this.#lastMs = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    const quietMs = performance.now() - this.#lastMs;
    if (quietMs >= this.stallMs - 1 && !this.#kernelMoves()) {
      this.request.destroy(new Error(`no byte moved for ${Math.round(quietMs / 1000)} s`));
      return;
    }
    this.#timer = setTimeout(
      () => this.#check(),
      Math.max(1, quietMs >= this.stallMs - 1 ? this.stallMs : this.stallMs - quietMs),
    );
  }

  #kernelMoves(): boolean {
    const before = this.#backlog;
    this.#backlog = this.request.socket ? findSocketBacklog(this.request.socket) : undefined;
    // The first look only takes the measure, and grants one more period where something is still queued.
    return this.#backlog !== undefined && this.#backlog > 0 && (before === undefined || this.#backlog < before);
  }
}
