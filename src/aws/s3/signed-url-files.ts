import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import type { ChooseProxy } from '../../domain/choose-proxy';
import { TransferError } from '../../domain/errors';
import { withoutQuery } from '../../domain/signed-url';
import type { RemoteVersion } from '../../download/remote-object';
import type { UrlAnswer, UrlFiles } from '../../jobs/url-files';
import { TunnelAgent } from '../proxy/tunnel-agent';
import { TLS_FLOOR } from '../tls-floor';
import { unstalled } from './unstalled';

export interface SignedUrlOptions {
  /** CA certificates, PEM; undefined: those Node.js brings along. */
  readonly ca: Buffer | undefined;
  readonly stallMs: number;
  readonly chooseProxy: ChooseProxy;
  /** A redirect leads there and nowhere else. */
  readonly isAllowed: (url: URL) => boolean;
  /** Told the `Date` of each answer. */
  readonly onServerDate: (date: string | undefined) => void;
}

const MAX_REDIRECTS = 3;
const MAX_ERROR_BYTES = 4_096;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Objects by presigned URLs. A GET's URL is good for GET alone, so size and ETag come with the bytes.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
export class SignedUrlFiles implements UrlFiles {
  readonly #agent: Agent;

  constructor(private readonly options: SignedUrlOptions) {
    const { ca, chooseProxy, stallMs } = options;
    const kept = { keepAlive: true, maxFreeSockets: 1, ...(ca === undefined ? {} : { ca }) };
    this.#agent = new TunnelAgent(chooseProxy, stallMs, kept);
  }

  close(): void {
    this.#agent.destroy();
  }

  async get(url: URL, fromByte: number, etag: string | undefined, signal: AbortSignal): Promise<UrlAnswer> {
    const range = fromByte > 0 && etag !== undefined ? { range: `bytes=${fromByte}-`, 'if-range': etag } : undefined;
    let at = url;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#send(at, { 'accept-encoding': 'identity', ...range }, signal);
      this.options.onServerDate(answer.headers.date);
      const status = answer.statusCode!;
      const location = answer.headers.location;
      if (REDIRECTS.has(status) && location !== undefined) {
        answer.destroy();
        at = this.#follow(at, location, redirects);
      } else if (status === 200 || (status === 206 && range !== undefined)) {
        return this.#answerOf(answer, at, signal);
      } else {
        throw await this.#refusal(answer, at, signal);
      }
    }
  }

  #send(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    const { stallMs } = this.options;
    return new Promise((resolve, reject) => {
      const options = { headers, signal, timeout: stallMs };
      const sent =
        url.protocol === 'https:'
          ? httpsRequest(url, { ...options, agent: this.#agent, ...TLS_FLOOR })
          : httpRequest(url, options);
      sent.once('response', (answer) => {
        answer.socket.setTimeout(0); // a disk that is slow is no link that is dead; `unstalled` watches the link
        resolve(answer);
      });
      sent.once('timeout', () => sent.destroy(new Error(`no answer for ${stallMs / 1000} s`)));
      sent.once('error', (cause) => reject(this.#unreachable(url, cause, signal)));
      sent.end();
    });
  }

  #unreachable(url: URL, cause: Error, signal: AbortSignal): TransferError {
    if (signal.aborted) return new TransferError('STOPPING', 'stopping', { cause });
    return new TransferError(
      'S3_UNREACHABLE',
      `no answer from ${url.host} (${cause.message}); if it lasts, check the network, and whether it may be reached from here`,
      { cause },
    );
  }

  #follow(from: URL, location: string, redirects: number): URL {
    const to = parseUrl(location, from);
    if (to !== undefined && redirects < MAX_REDIRECTS && this.options.isAllowed(to)) return to;
    throw new TransferError(
      'URL_REFUSED',
      `${withoutQuery(from)} sends elsewhere (${to === undefined ? 'no address' : to.host}), where files do not come from; see jobs.allowedHosts`,
    );
  }

  #answerOf(answer: IncomingMessage, url: URL, signal: AbortSignal): UrlAnswer {
    const { headers, statusCode } = answer;
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '');
    const size = statusCode === 206 ? range?.[2] : headers['content-length'];
    if (size === undefined) {
      answer.destroy();
      throw new TransferError(
        'URL_REFUSED',
        `${withoutQuery(url)} comes without a word of its length; serve it from where it has one, such as S3`,
      );
    }
    return {
      version: versionOf(answer, Number(size)),
      fromByte: statusCode === 206 ? Number(range![1]) : 0,
      body: unstalled(answer, this.options.stallMs, signal),
    };
  }

  async #refusal(answer: IncomingMessage, url: URL, signal: AbortSignal): Promise<TransferError> {
    const status = answer.statusCode!;
    const body = await readSome(answer, this.options.stallMs, signal);
    const code = /<Code>([^<]{1,100})<\/Code>/.exec(body)?.[1] ?? '';
    const message = /<Message>([^<]{1,300})<\/Message>/.exec(body)?.[1] ?? '';
    const said = [code || `status ${status}`, message].filter(Boolean).join(': ');
    const place = withoutQuery(url);
    const hasExpired = (status === 403 && /request has expired/i.test(body)) || code === 'ExpiredToken';
    if (hasExpired || code === 'RequestExpired')
      return new TransferError(
        'URL_EXPIRED',
        `the URL of ${place} has expired (${said}); if it came so, let its job give it a longer life`,
      );
    if (status === 429 || status === 503) return new TransferError('S3_THROTTLED', `${place}: ${said}`);
    if (status >= 500 || status === 408) return new TransferError('S3_INTERNAL', `${place}: ${said}`);
    if (status === 416)
      return new TransferError('OBJECT_CHANGED', `${place} is shorter than what came of it (${said})`);
    if (status === 404)
      return new TransferError(
        'URL_REFUSED',
        `there is no file at ${place} (${said}); put it there, and send the job again`,
      );
    return new TransferError(
      'URL_REFUSED',
      `${url.host} refuses ${place} (${said}); let the role that signs the job's URLs read it, and send the job again`,
    );
  }
}

function parseUrl(text: string, base: URL): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

function versionOf({ headers }: IncomingMessage, sizeBytes: number): RemoteVersion {
  const etag = headers.etag ?? '';
  const isS3 = headers['x-amz-request-id'] !== undefined;
  // An MD5 unless it was uploaded in parts, or is encrypted by a key of the customer's or of KMS.
  const encryption = headers['x-amz-server-side-encryption'];
  const isMd5 =
    isS3 &&
    !String(encryption ?? '').startsWith('aws:kms') &&
    headers['x-amz-server-side-encryption-customer-algorithm'] === undefined;
  return { etag, sizeBytes, checksums: { md5: isMd5 ? /^"([0-9a-f]{32})"$/.exec(etag)?.[1] : undefined } };
}

async function readSome(answer: IncomingMessage, stallMs: number, signal: AbortSignal): Promise<string> {
  let text = '';
  try {
    for await (const bytes of unstalled(answer, stallMs, signal)) {
      text += bytes.toString();
      if (text.length >= MAX_ERROR_BYTES) break;
    }
  } catch {
    // what has come is enough to know, or nothing is
  }
  return text;
}
