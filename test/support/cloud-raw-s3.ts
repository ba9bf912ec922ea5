import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { connect } from 'node:tls';

export interface RawCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface RawRequest {
  method?: string;
  /** percent-encoded, from the slash before the bucket */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: string | Buffer;
  credentials?: RawCredentials;
  region?: string;
  service?: string;
  /** the client's clock */
  atMs?: number;
  /** what x-amz-content-sha256 says; default: the hash of the body */
  payloadHash?: string;
  /** headers that are sent but not signed */
  unsignedHeaders?: Record<string, string>;
  /** changes what goes over the wire after it was signed */
  tamper?: (wire: WireRequest) => void;
  /** how the body is framed, when its framing carries signatures */
  frame?: (signing: ChunkSigner) => string | Buffer;
  /** the body waits for 100 Continue */
  expectContinue?: boolean;
  /** what happens between 100 Continue and the body */
  beforeBody?: () => Promise<unknown>;
}

export interface WireRequest {
  path: string;
  headers: Record<string, string>;
  body: Buffer;
}

export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** <Code> of the error document */
  code: string | undefined;
  /** whether 100 Continue came before the answer */
  continued: boolean;
}

/** Signs chunk after chunk, each from the one before. */
export class ChunkSigner {
  constructor(
    private readonly key: Buffer,
    private readonly amzDate: string,
    private readonly scope: string,
    private previous: string,
  ) {}

  chunk(data: string | Buffer): string {
    const text = ['AWS4-HMAC-SHA256-PAYLOAD', this.amzDate, this.scope, this.previous, sha256(''), sha256(data)];
    this.previous = hmac(this.key, text.join('\n')).toString('hex');
    return this.previous;
  }

  trailer(lines: string): string {
    const text = ['AWS4-HMAC-SHA256-TRAILER', this.amzDate, this.scope, this.previous, sha256(lines)];
    return hmac(this.key, text.join('\n')).toString('hex');
  }
}

/** S3 by hand: SigV4 written down once more, so that tests can send what no SDK would. */
export class RawS3 {
  private readonly agent: Agent;
  private readonly url: URL;
  private readonly ca: Buffer;

  constructor(
    endpoint: string,
    caFile: string,
    private readonly credentials: RawCredentials,
    private readonly region = 'eu-central-1',
  ) {
    this.url = new URL(endpoint);
    this.ca = readFileSync(caFile);
    this.agent = new Agent({ ca: this.ca, keepAlive: true });
  }

  async send(raw: RawRequest): Promise<RawAnswer> {
    const wire = this.sign(raw);
    raw.tamper?.(wire);
    return this.transmit(raw, wire);
  }

  /** A presigned URL's path and query. */
  presign(raw: RawRequest & { expiresSeconds?: number | string }): string {
    const credentials = raw.credentials ?? this.credentials;
    const amzDate = amzDateOf(raw.atMs ?? Date.now());
    const scope = this.scopeOf(raw, amzDate);
    const headers = { host: this.url.host, ...raw.headers };
    const query = {
      ...raw.query,
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `${credentials.accessKeyId}/${scope}`,
      'X-Amz-Date': amzDate,
      'X-Amz-Expires': String(raw.expiresSeconds ?? 60),
      'X-Amz-SignedHeaders': Object.keys(headers).sort().join(';'),
      ...(credentials.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': credentials.sessionToken }),
    };
    const canonical = canonicalRequest(raw.method ?? 'GET', raw.path, query, headers, 'UNSIGNED-PAYLOAD');
    const key = deriveKey(credentials.secretAccessKey, scope);
    const signature = hmac(key, textToSign(amzDate, scope, canonical)).toString('hex');
    return `${raw.path}?${canonicalQuery(query)}&X-Amz-Signature=${signature}`;
  }

  /** Sends a request as it is, without a signature of ours. */
  transmit(raw: Pick<RawRequest, 'method' | 'expectContinue' | 'beforeBody'>, wire: WireRequest): Promise<RawAnswer> {
    const options: RequestOptions = {
      agent: this.agent,
      host: this.url.hostname,
      port: this.url.port,
      method: raw.method ?? 'GET',
      path: wire.path,
      headers: wire.headers,
    };
    return new Promise((resolve, reject) => {
      let continued = false;
      const request = httpsRequest(options, (response) => {
        let text = '';
        response.setEncoding('latin1');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const code = /<Error>.*?<Code>([^<]*)/s.exec(text)?.[1];
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, code, continued });
          if (!request.writableEnded) request.destroy();
        });
      });
      request.on('error', reject);
      if (raw.expectContinue === true) {
        request.on('continue', () => {
          continued = true;
          Promise.resolve(raw.beforeBody?.()).then(() => request.end(wire.body), reject);
        });
        request.flushHeaders();
      } else request.end(wire.body);
    });
  }

  /** Bytes as they are over a connection of their own; `end` closes our side after them. */
  sendBytes(bytes: string, options: { end: boolean }): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(
        { host: this.url.hostname, port: Number(this.url.port), ca: this.ca, servername: 'localhost' },
        () => (options.end ? socket.end(bytes) : socket.write(bytes)),
      );
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('error', reject);
      socket.on('end', () => resolve(text));
    });
  }

  /** The head of a signed request as text, for sendBytes. */
  headText(raw: RawRequest): string {
    const { path, headers } = this.sign(raw);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${raw.method ?? 'GET'} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
  }

  close(): void {
    this.agent.destroy();
  }

  private sign(raw: RawRequest): WireRequest {
    const method = raw.method ?? 'GET';
    const credentials = raw.credentials ?? this.credentials;
    const amzDate = amzDateOf(raw.atMs ?? Date.now());
    const scope = this.scopeOf(raw, amzDate);
    const plain = Buffer.from(raw.body ?? '');
    const payloadHash = raw.payloadHash ?? sha256(plain);
    const headers: Record<string, string> = {
      host: this.url.host,
      'x-amz-date': amzDate,
      'x-amz-content-sha256': payloadHash,
      ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
      ...raw.headers,
    };
    const canonical = canonicalRequest(method, raw.path, raw.query ?? {}, headers, payloadHash);
    const key = deriveKey(credentials.secretAccessKey, scope);
    const signature = hmac(key, textToSign(amzDate, scope, canonical)).toString('hex');
    const body =
      raw.frame === undefined ? plain : Buffer.from(raw.frame(new ChunkSigner(key, amzDate, scope, signature)));
    const query = canonicalQuery(raw.query ?? {});
    return {
      path: query === '' ? raw.path : `${raw.path}?${query}`,
      headers: {
        ...(raw.body === undefined && raw.frame === undefined ? {} : { 'content-length': String(body.length) }),
        ...headers,
        ...raw.unsignedHeaders,
        ...(raw.expectContinue === true ? { expect: '100-continue' } : {}),
        authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${Object.keys(headers).sort().join(';')}, Signature=${signature}`,
      },
      body,
    };
  }

  private scopeOf(raw: RawRequest, amzDate: string): string {
    return `${amzDate.slice(0, 8)}/${raw.region ?? this.region}/${raw.service ?? 's3'}/aws4_request`;
  }
}

export function amzDateOf(atMs: number): string {
  return new Date(atMs).toISOString().replace(/[-:]|\.\d+/g, '');
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function deriveKey(secretAccessKey: string, scope: string): Buffer {
  return scope.split('/').reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secretAccessKey}`));
}

function textToSign(amzDate: string, scope: string, canonical: string): string {
  return `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${sha256(canonical)}`;
}

function canonicalRequest(
  method: string,
  path: string,
  query: Record<string, string>,
  headers: Record<string, string>,
  payloadHash: string,
): string {
  const names = Object.keys(headers).sort();
  const lines = names.map((name) => `${name}:${headers[name]!.trim()}\n`).join('');
  return `${method}\n${path}\n${canonicalQuery(query)}\n${lines}\n${names.join(';')}\n${payloadHash}`;
}

function canonicalQuery(query: Record<string, string>): string {
  const encode = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
}
