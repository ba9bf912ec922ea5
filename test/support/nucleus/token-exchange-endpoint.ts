import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AskCloud } from './cloud-credentials';
import type { NucleusKind } from './switches';

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface CachedAnswer extends Answer {
  readonly untilMs: number;
}

/** Of classic only. */
export interface CacheTimes {
  beforeExpiryMs: number;
  error4xxMs: number;
  error5xxMs: number;
  unknownErrorMs: number;
  /** How long a request waits for the answer to an earlier one. */
  waitMs: number;
}

const PATH = '/2016-11-01/credentialprovider/';

/** What stands behind AWS_CONTAINER_CREDENTIALS_FULL_URI: the credentials of the token exchange role. */
export class TokenExchangeEndpoint {
  readonly cacheTimes: CacheTimes = {
    beforeExpiryMs: 300_000,
    error4xxMs: 120_000,
    error5xxMs: 60_000,
    unknownErrorMs: 300_000,
    waitMs: 30_000,
  };
  /** Status of each answer it gave. */
  readonly answered: number[] = [];
  /** How often it asked the cloud. */
  asked = 0;
  #cached: CachedAnswer | undefined;
  #asking: Promise<Answer> | undefined;
  #lives = 0;
  #server: Server | undefined;

  constructor(
    private readonly kind: NucleusKind,
    private readonly isToken: (token: string) => boolean,
    public askCloud: AskCloud,
    private readonly nowMs: () => number = Date.now,
  ) {}

  get uri(): string {
    return `http://localhost:${(this.#server!.address() as AddressInfo).port}${PATH}`;
  }

  /** On a port of the system's choice, another at each start, as the real ones do. */
  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  /** Classic forgets when it starts anew, or its configuration changes; what the cloud says to a question before, too. */
  forget(): void {
    this.#lives++;
    this.#cached = undefined;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = await (this.kind === 'classic' ? this.#asClassic(request) : this.#asLite(request));
    this.answered.push(status);
    // Lite's is the default of its HTTP library; classic names none.
    if (this.kind === 'lite') response.setHeader('content-type', 'text/html; charset=ISO-8859-1');
    response.writeHead(status).end(body);
  }

  async #asLite({ url, headers: { authorization } }: IncomingMessage): Promise<Answer> {
    if (url !== PATH) return { status: 400, body: `Only ${PATH} uri is supported.` };
    if (authorization === undefined) {
      return { status: 400, body: 'Authorization header is needed to process the request.' };
    }
    if (authorization.length !== 16) return { status: 400, body: 'SVCUID length must be exactly 16.' };
    if (!this.isToken(authorization)) return { status: 404, body: 'No such svcuid present.' };
    const answer = await this.#cloud();
    // Whatever went wrong in the cloud or on the way there: success, with nothing in it.
    return { status: 200, body: answer?.status === 200 ? downstream(answer.body) : 'null' };
  }

  async #asClassic({ url, method, headers: { authorization } }: IncomingMessage): Promise<Answer> {
    if (method !== 'GET') return { status: 405, body: '' };
    if (url !== PATH) return { status: 400, body: '' };
    if (authorization === undefined || !this.isToken(authorization)) return { status: 403, body: '' };
    if (this.#cached !== undefined && this.nowMs() < this.#cached.untilMs) return this.#cached;
    if (this.#asking === undefined) {
      this.#asking = this.#refresh().finally(() => {
        this.#asking = undefined;
      });
      return this.#asking;
    }
    return Promise.race([this.#asking, this.#tired()]);
  }

  #tired(): Promise<Answer> {
    const { waitMs } = this.cacheTimes;
    return new Promise((resolve) => {
      setTimeout(() => resolve({ status: 504, body: '' }), waitMs).unref();
    });
  }

  async #refresh(): Promise<Answer> {
    const { beforeExpiryMs, error4xxMs, error5xxMs, unknownErrorMs } = this.cacheTimes;
    const life = this.#lives;
    const cloud = await this.#cloud();
    const keep = (answer: Answer, forMs: number): Answer => {
      if (life === this.#lives) this.#cached = { ...answer, untilMs: this.nowMs() + forMs };
      return answer;
    };
    if (cloud === undefined) return keep({ status: 500, body: 'Failed to get connection' }, unknownErrorMs);
    const { status, body } = cloud;
    if (status === 200) {
      const expiresMs = Date.parse((JSON.parse(body) as CloudDocument).credentials.expiration);
      return keep({ status, body: downstream(body) }, expiresMs - this.nowMs() - beforeExpiryMs);
    }
    const told = `TES responded with status code: ${status}. Caching response. ${body}`;
    const family = Math.trunc(status / 100);
    return keep({ status, body: told }, family === 4 ? error4xxMs : family === 5 ? error5xxMs : unknownErrorMs);
  }

  async #cloud(): Promise<Answer | undefined> {
    this.asked++;
    return await this.askCloud().catch(() => undefined);
  }
}

interface CloudDocument {
  readonly credentials: Readonly<Record<'accessKeyId' | 'secretAccessKey' | 'sessionToken' | 'expiration', string>>;
}

function downstream(body: string): string {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = (JSON.parse(body) as CloudDocument).credentials;
  return JSON.stringify({
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Expiration: expiration,
    Token: sessionToken,
  });
}
