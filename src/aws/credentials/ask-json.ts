import { request as requestHttp } from 'node:http';
import { type RequestOptions, request as requestHttps } from 'node:https';

export interface JsonAnswer {
  readonly status: number;
  readonly date: string | undefined;
  /** Undefined where the body is not JSON; its content type is not asked, one nucleus says text/html. */
  readonly json: unknown;
  readonly text: string;
}

/** One GET on a connection of its own: once an hour a kept one would only cost. @throws the socket's error */
export function askJson(url: URL, options: RequestOptions, timeoutMs: number): Promise<JsonAnswer> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'http:' ? requestHttp : requestHttps;
    const call = request(url, { ...options, agent: false, signal: AbortSignal.timeout(timeoutMs) });
    call.on('response', (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, date: response.headers.date, json: parseJson(text), text }),
      );
      response.on('error', reject);
    });
    call.on('error', reject);
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
