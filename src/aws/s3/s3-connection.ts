import type { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { S3Client } from '@aws-sdk/client-s3';
import { hasCode } from '../../domain/errors';
import type { Body } from '../../upload/body';
import type { CredentialsSource, SessionCredentials } from '../credentials/session-credentials';
import type { Answer } from './answer-reader';
import type { ConnectionPool } from './connection-pool';
import { exchange, NoAnswer } from './exchange';
import { explainAnswer, explainSdkError, WrongRegion } from './explain-refusal';
import { findPlainBaseUrl, type S3Place } from './plain-base-url';
import { escapeUri, RequestSigner } from './request-signer';
import { type S3Call, translateS3Error } from './translate-s3-error';

export interface S3ConnectionOptions extends S3Place {
  readonly stallMs: number;
  readonly credentials: CredentialsSource;
  /** For the probe, and what each small file costs. */
  readonly connections: ConnectionPool;
  /** For the SDK's calls. */
  readonly agent: HttpAgent | HttpsAgent;
  /** To be added to the wall clock when signing. Milliseconds. */
  readonly clockOffsetMs: () => number;
  /** Told the `Date` header of each answer. */
  readonly onServerDate: (date: string | undefined) => void;
  /** Told once when the bucket turns out to be in another region. */
  readonly onRegion: (region: string) => void;
  readonly nowMs: () => number;
}

interface SignedPut {
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly signal: AbortSignal;
  /** Whether a connection that dies under the request may be replaced in silence. */
  readonly repeatable: boolean;
}

/** It may be repeated without harm. */
interface BodilessCall {
  readonly method: 'HEAD' | 'PUT' | 'DELETE';
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

type SignedCall = Omit<SignedPut, 'body'> & {
  readonly method: BodilessCall['method'];
  readonly body: Body | undefined;
};

const NO_QUERY = {};
const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** How often a request may meet a kept connection that the far end closed, before that counts as no answer. */
const MAX_STALE_CONNECTIONS = 64;

/**
 * One bucket: where it is, who signs, and what is tried at once when S3 says why it refused: a renewed token, a
 * corrected clock, the right region, each once per call. Everything slower is the worker's.
 */
export class S3Connection {
  #region: string;
  #sdk: Promise<typeof import('@aws-sdk/client-s3')> | undefined;
  #client: S3Client | undefined;
  #base: URL | undefined;
  #signer: RequestSigner | undefined;

  constructor(private readonly options: S3ConnectionOptions) {
    this.#region = options.region;
  }

  get bucket(): string {
    return this.options.bucket;
  }

  /** Any answer will do. @throws NoAnswer */
  async probe(signal: AbortSignal): Promise<void> {
    const url = new URL('/', await this.#baseUrl());
    const answer = await exchange({
      method: 'HEAD',
      url,
      path: '/',
      headers: { host: url.host },
      connections: this.options.connections,
      stallMs: this.options.stallMs,
      signal,
    }).catch((error: unknown) => {
      throw explainProbe(error, url.host);
    });
    this.options.onServerDate(answer.headers.date);
  }

  /** A call by the SDK. */
  async call<T>(
    what: S3Call,
    send: (client: S3Client, sdk: typeof import('@aws-sdk/client-s3')) => Promise<T>,
  ): Promise<T> {
    return this.#withRemedies(async () => {
      const sdk = await this.#loadSdk();
      try {
        return await send(await this.#getClient(), sdk);
      } catch (error) {
        throw explainSdkError(error, what, this.options.onServerDate);
      }
    });
  }

  /** PutObject and UploadPart: the hot path, signed and sent without the SDK. */
  put(what: S3Call, request: SignedPut): Promise<Answer> {
    return this.#ask(what, { ...request, method: 'PUT' });
  }

  /** HeadObject, CopyObject, DeleteObject, without the SDK: it takes four times the CPU, and a small file is little else. */
  send(what: S3Call, { method, key, headers, signal }: BodilessCall): Promise<Answer> {
    return this.#ask(what, {
      method,
      key,
      query: NO_QUERY,
      headers: { ...headers, 'x-amz-content-sha256': SHA256_OF_NOTHING },
      body: undefined,
      signal,
      repeatable: true,
    });
  }

  close(): void {
    this.#client?.destroy();
    this.options.agent.destroy();
    this.options.connections.close();
  }

  async #ask(what: S3Call, request: SignedCall): Promise<Answer> {
    return this.#withRemedies(async (credentials) => {
      const answer = await this.#sendSigned(what, request, credentials);
      this.options.onServerDate(answer.headers.date);
      if (answer.status >= 200 && answer.status < 300 && !answer.text.includes('<Error>')) return answer;
      throw explainAnswer(answer, what);
    });
  }

  async #withRemedies<T>(attempt: (credentials: SessionCredentials) => Promise<T>): Promise<T> {
    const tried = new Set<string>();
    const once = (remedy: string): boolean => !tried.has(remedy) && tried.add(remedy) !== undefined;
    for (;;) {
      const used = await this.options.credentials.get();
      try {
        return await attempt(used);
      } catch (error) {
        const region = error instanceof WrongRegion ? error.region : undefined;
        const cause = error instanceof WrongRegion ? error.failure : error;
        if (region !== undefined && region !== this.#region && once('region')) this.#moveTo(region);
        else if (hasCode(cause, 'CREDENTIALS_EXPIRED') && once('credentials'))
          this.options.credentials.invalidate(used);
        // Some stores answer AccessDenied to an expired token; by our own reckoning it is one.
        else if (hasCode(cause, 'ACCESS_DENIED') && this.options.credentials.isExpired(used) && once('credentials'))
          this.options.credentials.invalidate(used);
        else if (hasCode(cause, 'CLOCK_SKEWED') && once('clock'))
          continue; // its Date is learned, the next is signed by it
        else throw cause;
      }
    }
  }

  #moveTo(region: string): void {
    this.#region = region;
    this.#client = undefined; // not destroyed: its connections are everybody's
    this.#base = undefined;
    this.#signer = undefined;
    this.options.onRegion(region);
  }

  async #sendSigned(
    what: S3Call,
    { method, key, query, headers, body, signal, repeatable }: SignedCall,
    credentials: SessionCredentials,
  ): Promise<Answer> {
    const base = await this.#baseUrl();
    this.#signer ??= new RequestSigner(this.#region);
    const signed = this.#signer.sign(
      {
        method,
        path: `${base.pathname.replace(/\/$/, '')}/${encodeKey(key)}`,
        query,
        headers: {
          ...headers,
          host: base.host,
          ...(method === 'PUT' ? { 'content-length': String(body?.sizeBytes ?? 0) } : {}),
        },
      },
      credentials,
      new Date(this.options.nowMs() + this.options.clockOffsetMs()),
    );
    for (let stale = 0; ; stale++) {
      try {
        return await exchange({
          method,
          url: base,
          path: signed.path,
          headers: signed.headers,
          body,
          connections: this.options.connections,
          stallMs: this.options.stallMs,
          signal,
        });
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (error.reused && repeatable && stale < MAX_STALE_CONNECTIONS && !signal.aborted) continue;
        throw translateS3Error({ status: undefined, code: '', message: error.message, cause: error }, what);
      }
    }
  }

  async #getCredentials(): Promise<SessionCredentials & { expiration: Date }> {
    const held = await this.options.credentials.get();
    // The SDK keeps what has a future expiration and would not ask again after ExpiredToken: the cache is ours.
    return { ...held, expiration: new Date(0) };
  }

  #loadSdk(): Promise<typeof import('@aws-sdk/client-s3')> {
    this.#sdk ??= import('@aws-sdk/client-s3');
    return this.#sdk;
  }

  async #getClient(): Promise<S3Client> {
    const { endpoint, pathStyle, dualStack, fips, stallMs, agent, clockOffsetMs } = this.options;
    if (this.#client === undefined) {
      const { S3Client } = await this.#loadSdk();
      this.#client = new S3Client({
        region: this.#region,
        ...(endpoint === undefined ? {} : { endpoint }),
        forcePathStyle: pathStyle,
        useDualstackEndpoint: dualStack,
        useFipsEndpoint: fips,
        useArnRegion: true,
        followRegionRedirects: false,
        credentials: () => this.#getCredentials(),
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
        maxAttempts: 1,
        cacheMiddleware: true,
        requestHandler: {
          connectionTimeout: stallMs,
          socketTimeout: stallMs,
          ...(agent instanceof HttpsAgent ? { httpsAgent: agent } : { httpAgent: agent }),
        },
      });
    }
    this.#client.config.systemClockOffset = clockOffsetMs();
    return this.#client;
  }

  async #baseUrl(): Promise<URL> {
    this.#base ??= findPlainBaseUrl({ ...this.options, region: this.#region }) ?? (await this.#sdkBaseUrl());
    return this.#base;
  }

  /** The SDK's own rules say where a bucket, an access point, a FIPS or dual-stack endpoint is. */
  async #sdkBaseUrl(): Promise<URL> {
    const { endpoint, bucket, pathStyle, dualStack, fips } = this.options;
    const { config } = await this.#getClient();
    return config.endpointProvider({
      Bucket: bucket,
      Region: this.#region,
      ...(endpoint === undefined ? {} : { Endpoint: endpoint }),
      ForcePathStyle: pathStyle,
      UseDualStack: dualStack,
      UseFIPS: fips,
      UseArnRegion: true,
    }).url;
  }
}

/** A CA that is not trusted looks like a dead link, and never gets better by waiting. */
function explainProbe(error: unknown, host: string): unknown {
  const isTrust =
    error instanceof NoAnswer && /^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_|ERR_TLS_CERT)/.test(error.message);
  if (!isTrust) return error;
  return new NoAnswer(
    `${host} does not prove who it is (${error.message}); set s3.caFile to its CA, or set the clock`,
    false,
    { cause: error },
  );
}

/** The path as S3 signs it: `/` stays. */
export const encodeKey = (key: string): string => escapeUri(key).replaceAll('%2F', '/');
