import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface HttpRequest {
  readonly endpoint: string;
  /** PEM text */
  readonly ca: string | undefined;
  readonly method: string;
  /** With its query, as it stands on the wire. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** `<Code>` of an error document */
  readonly code: string | undefined;
}

/** One request as it is: no retries, no headers beside those given. */
export async function sendHttp({ endpoint, ca, method, path, headers = {}, body }: HttpRequest): Promise<Answer> {
  const { protocol, hostname: host, port } = new URL(endpoint);
  const send = protocol === 'https:' ? requestHttps : requestHttp;
  const request = send({ host, port, method, path, headers, agent: false, ...(ca === undefined ? {} : { ca }) });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const received: Buffer[] = [];
  for await (const slice of response) received.push(slice as Buffer);
  const text = Buffer.concat(received).toString('utf8');
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    code: /<Code>([^<]*)<\/Code>/.exec(text)?.[1],
  };
}
