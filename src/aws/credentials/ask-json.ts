import { request as requestHttp } from 'node:http';
import { type RequestOptions, request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import type { ChooseProxy } from '../../domain/choose-proxy';
import { TunnelAgent } from '../proxy/tunnel-agent';
import { TLS_FLOOR } from '../tls-floor';

export interface JsonAnswer {
  readonly status: number;
  readonly date: string | undefined;
  /** Undefined where the body is not JSON; its content type is not asked, one nucleus says text/html. */
  readonly json: unknown;
  readonly text: string;
}

/** No answer came. `code` as Node.js names it; `wasReached`: a connection there was. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed';

  constructor(
    readonly code: string,
    message: string,
    readonly wasReached: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** More is no answer of any source. */
const MAX_TEXT = 64 * 1024;

/** One GET on a connection of its own: once an hour a kept one would only cost. @throws CallFailed */
export function askJson(
  url: URL,
  options: RequestOptions,
  timeoutMs: number,
  choose: ChooseProxy = () => undefined,
): Promise<JsonAnswer> {
  return new Promise((resolve, reject) => {
    const isPlain = url.protocol === 'http:';
    const isDirect = isPlain || choose(url.hostname, Number(url.port || 443)) === undefined;
    const { cert, key, ca } = options;
    const trust = { ...(cert && { cert }), ...(key && { key }), ...(ca && { ca }) };
    const agent = isDirect ? false : new TunnelAgent(choose, timeoutMs, { ...trust, keepAlive: false });
    const limit = AbortSignal.timeout(timeoutMs);
    let wasReached = false;
    const fail = (error: NodeJS.ErrnoException): void => {
      const code = limit.aborted ? 'ETIMEDOUT' : (error.code ?? error.message);
      reject(new CallFailed(code, error.message, wasReached, { cause: error }));
    };
    const call = (isPlain ? requestHttp : requestHttps)(url, { ...TLS_FLOOR, ...options, agent, signal: limit });
    call.on('socket', (socket: Socket) => {
      if (socket.connecting) socket.once('connect', () => (wasReached = true));
      else wasReached = true;
    });
    call.on('response', (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_TEXT) response.destroy(new Error('the answer is too long'));
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, date: response.headers.date, json: parseJson(text), text }),
      );
      response.on('error', fail);
    });
    call.on('error', fail);
    call.end();
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
