import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { DeviationId } from '../engines/deviation';
import type { AccessKeys, Engine, EngineKind, PolicyDocument, TemporaryKeys } from '../engines/engine';
import { type Answer, sendHttp } from '../engines/send-http';
import { presignGet, type SignedRequest, sendSigned } from '../engines/signed-request';
import { findRefusal } from './refusal';

export type ReadonlyDeep<T> = T extends object ? { readonly [K in keyof T]: ReadonlyDeep<T[K]> } : T;

/** What AWS answers; a HEAD has no code. */
export interface Expected {
  readonly status: number;
  readonly code?: string;
}

/** What an engine with one of these deviations answers instead. */
export type Otherwise = Partial<Record<DeviationId, Expected | 'accepted'>>;

/** What a contract asks for: an engine with a bucket of its own, clients for it, and what it is known to do otherwise. */
export class ContractRun {
  readonly bucket = `contract-${randomBytes(5).toString('hex')}`;
  private readonly asserted = new Set<DeviationId>();
  private readonly clients: S3Client[] = [];
  private started: { engine: Engine; ca: string | undefined; s3: S3Client } | undefined;

  constructor(readonly kind: EngineKind) {}

  get engine(): Engine {
    return this.state.engine;
  }

  /** As the bucket's owner. */
  get s3(): S3Client {
    return this.state.s3;
  }

  async start(): Promise<void> {
    const engine = await this.kind.start();
    const ca = engine.caFile === undefined ? undefined : readFileSync(engine.caFile, 'utf8');
    this.started = { engine, ca, s3: this.newClient(engine, ca, engine.admin) };
    await engine.createBucket(this.bucket);
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.destroy();
    await this.started?.engine.stop();
  }

  /** One attempt a call, and no checksums but those a test gives. */
  client(keys: AccessKeys, overrides: S3ClientConfig = {}): S3Client {
    return this.newClient(this.engine, this.state.ca, keys, overrides);
  }

  /** Keys whose holder may do what the statements allow, `$BUCKET` standing for the contract's bucket. */
  issueKeys(
    statements: ReadonlyDeep<PolicyDocument['Statement']>,
    variables: Readonly<Record<string, string>> = {},
    seconds = 900,
  ): Promise<TemporaryKeys> {
    const text = JSON.stringify({ Version: '2012-10-17', Statement: statements }).replaceAll('$BUCKET', this.bucket);
    return this.engine.issueKeys({ policy: JSON.parse(text) as PolicyDocument, variables, seconds });
  }

  /** What the SDK cannot say. `path` begins behind the bucket and is escaped already. */
  send(
    call: Pick<SignedRequest, 'method' | 'path'> & Partial<Omit<SignedRequest, 'endpoint' | 'ca' | 'service'>>,
  ): Promise<Answer> {
    const { endpoint, region, admin: keys } = this.engine;
    const place = { endpoint, region, keys, ca: this.state.ca, service: 's3' as const };
    return sendSigned({ ...place, ...call, path: `/${this.bucket}${call.path}` });
  }

  /** Path and query that give an object to whoever has them, for `seconds` from `signedAt`. */
  presign(key: string, seconds: number, signedAt = new Date(), keys = this.engine.admin): Promise<string> {
    const { endpoint, region } = this.engine;
    return presignGet({ endpoint, region, keys, service: 's3', path: `/${this.bucket}/${key}` }, seconds, signedAt);
  }

  /** Without a signature of its own. */
  fetch(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Answer> {
    return sendHttp({ endpoint: this.engine.endpoint, ca: this.state.ca, method, path, headers });
  }

  /** Whether the engine's list has this deviation. Who asks goes on to assert it. */
  deviates(id: DeviationId): boolean {
    this.asserted.add(id);
    return this.kind.deviations.some((deviation) => deviation.id === id);
  }

  /** The call is refused as AWS does, or as the engine's deviation says. */
  async expectRefusal(call: Promise<unknown>, expected: Expected, otherwise: Otherwise = {}): Promise<void> {
    const instead = this.findInstead(otherwise) ?? expected;
    const refusal = (await findRefusal(call)) ?? 'accepted';
    if (instead === 'accepted') expect(refusal).toBe(instead);
    else expect(refusal).toMatchObject(instead);
  }

  /** The same for a request of our own making. */
  async expectAnswer(call: Answer | Promise<Answer>, expected: Expected, otherwise: Otherwise = {}): Promise<void> {
    const instead = this.findInstead(otherwise) ?? expected;
    expect(await call).toMatchObject(instead === 'accepted' ? { status: 200 } : instead);
  }

  /** Deviations in the engine's list that no test has asked for. */
  findUnasserted(): DeviationId[] {
    return this.kind.deviations.map(({ id }) => id).filter((id) => !this.asserted.has(id));
  }

  private findInstead(otherwise: Otherwise): Expected | 'accepted' | undefined {
    const id = (Object.keys(otherwise) as DeviationId[]).find((one) => this.deviates(one));
    return id === undefined ? undefined : otherwise[id];
  }

  private get state() {
    if (this.started === undefined) throw new Error(`${this.kind.name} has not been started`);
    return this.started;
  }

  private newClient(
    engine: Engine,
    ca: string | undefined,
    keys: AccessKeys,
    overrides: S3ClientConfig = {},
  ): S3Client {
    const client = new S3Client({
      endpoint: engine.endpoint,
      region: engine.region,
      forcePathStyle: engine.pathStyle,
      credentials: keys,
      maxAttempts: 1,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(ca === undefined ? {} : { requestHandler: { httpsAgent: new Agent({ ca, keepAlive: true }) } }),
      ...overrides,
    });
    this.clients.push(client);
    return client;
  }
}
