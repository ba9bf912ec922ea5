import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { IotMessage } from '../../src/cloud/handlers/inbox-notifier';
import { CertificateAuthority, certificateIdOf, type PemPair } from '../support/certificates';
import { Account, type Bucket, type CertificateStatus, type Role, type RoleAlias } from './account';
import { ControlEndpoint } from './control/control-endpoint';
import { iotRoutes } from './control/iot-api';
import { IotRegistry } from './control/iot-registry';
import { jobsRoutes } from './control/jobs-api';
import { CredentialsEndpoint } from './credentials-endpoint';
import { FaultPlan } from './fault-plan';
import { DataPlane } from './iot/data-plane';
import { InboxEvents } from './iot/inbox-events';
import { MqttBroker } from './iot/mqtt-broker';
import { Shadows } from './iot/shadows';
import { TokenRule } from './iot/token-rule';
import { JobsService } from './jobs/jobs-service';
import type { PolicyDocument } from './policy';
import { RequestLog, type RequestRecord } from './request-log';
import type { S3Settings } from './s3/exchange';
import { ObjectStore } from './s3/object-store';
import type { ObjectRecord } from './s3/records';
import { S3Endpoint } from './s3/s3-endpoint';
import { seedBRolePolicy } from './seed-policies';
import type { SessionCredentials } from './session-tokens';
import { Sts } from './sts';
import { TlsListener } from './tls-listener';

export interface LocalCloudOptions {
  /** everything is kept here; the same folder again is the same account again */
  dir: string;
  /** 0 or absent: chosen by the system */
  s3Port?: number;
  credentialsPort?: number;
  mqttPort?: number;
  dataPlanePort?: number;
  accountId?: string;
  region?: string;
  /** default true; bounded */
  recordRequests?: boolean;
  /** lets presigned URLs in job documents live shorter than the 60 s that AWS allows */
  minPresignSeconds?: number;
  /** told of each object as it takes its key, whether the answer arrives or not */
  onStored?: (object: ObjectRecord) => void;
}

export interface LocalThing {
  name: string;
  certificateId: string;
  certificateFile: string;
  privateKeyFile: string;
}

export interface TokenVendorOptions {
  readonly durationSeconds?: number;
  /** Of the function. */
  readonly functionRole?: { readonly arn: string; readonly policy: PolicyDocument };
  /** Tokens are of it. */
  readonly role?: Role & { readonly arn: string };
}

export interface LocalUpload {
  key: string;
  uploadId: string;
  parts: { partNumber: number; sizeBytes: number; etag: string }[];
}

const DEFAULT_ACCOUNT = '123456789012';
const DEFAULT_REGION = 'eu-central-1';
const DEFAULT_DURATION_SECONDS = 3600;
/** `*.localhost` alone would do, but clients accept no wildcard directly below a top-level name. */
const SERVER_HOSTS = ['localhost', 's3.localhost', '*.s3.localhost', '127.0.0.1'];

/**
 * The part of an AWS account that a courier sees, on loopback: S3 and the IoT credentials endpoint, as strict as the
 * real ones. State is on disk below `dir` and survives a restart and SIGKILL. One process per folder.
 */
export class LocalCloud {
  readonly faults = new FaultPlan();
  /** may be changed while running */
  readonly settings: S3Settings = { bodyIdleMs: 20_000, completeRepeatMs: 600_000 };
  /** the server's clock runs so far ahead (negative: behind) of this machine's */
  clockOffsetMs = 0;
  /** IoT Core's MQTT, for devices; `mqtt.publish` is the cloud's own */
  readonly mqtt: MqttBroker;
  /** IoT Jobs; `jobs.control` is the operator's side */
  readonly jobs: JobsService;
  readonly sts: Sts;
  /** What operators ask; closed until `open`. */
  readonly control: ControlEndpoint;
  readonly registry: IotRegistry;
  readonly shadows = new Shadows();
  readonly #publish = ({ topic, payload }: IotMessage): Promise<void> => this.mqtt.publish(topic, payload);
  private readonly log: RequestLog;
  private readonly s3: TlsListener;
  private readonly dataPlane: TlsListener;
  private readonly credentials: TlsListener;

  private constructor(
    private readonly dir: string,
    private readonly account: Account,
    private readonly store: ObjectStore,
    private readonly deviceAuthority: CertificateAuthority,
    tls: { key: string; cert: string },
    options: LocalCloudOptions,
  ) {
    const now = (): number => Date.now() + this.clockOffsetMs;
    this.log = new RequestLog(options.recordRequests ?? true);
    const around = { account, store, now, settings: this.settings };
    const s3 = new S3Endpoint(around, this.faults, this.log);
    const credentials = new CredentialsEndpoint(account, this.faults, this.log, now);
    this.s3 = new TlsListener(
      tls,
      { answer: (...exchange) => s3.answer(...exchange), onUnreadable: s3UnreadableAnswer },
      options.s3Port ?? 0,
    );
    const mutual = { ...tls, ca: deviceAuthority.pem.certificatePem, requestCert: true, rejectUnauthorized: false };
    this.mqtt = new MqttBroker(account, mutual, options.mqttPort ?? 0);
    this.jobs = new JobsService({
      dir,
      account,
      now,
      s3Endpoint: () => this.s3Endpoint,
      ...(options.minPresignSeconds === undefined ? {} : { minPresignSeconds: options.minPresignSeconds }),
    });
    this.mqtt.onJobsRequest = (...request) => this.jobs.hear(...request);
    this.jobs.onNotification(({ topic, payload }) => void this.mqtt.publish(topic, payload));
    this.mqtt.listeners.push((topic) => this.shadows.take(topic, this.#publish));
    this.sts = new Sts(account, now);
    this.registry = new IotRegistry(account, deviceAuthority, now);
    this.control = new ControlEndpoint({
      accountId: account.accountId,
      region: account.region,
      routes: [
        ...iotRoutes(this.registry, () => ({
          'iot:Data-ATS': this.mqttEndpoint,
          'iot:CredentialProvider': this.credentialsEndpoint,
        })),
        ...jobsRoutes(this.jobs.control, account, (action) => this.control.denied.has(action)),
      ],
      s3: (...exchange) => s3.answer(...exchange),
    });
    const dataPlane = new DataPlane(account, this.mqtt, now);
    this.dataPlane = new TlsListener(
      tls,
      { answer: (request, response) => dataPlane.answer(request, response) },
      options.dataPlanePort ?? 0,
    );
    this.credentials = new TlsListener(
      mutual,
      {
        answer: (request, response) => credentials.answer(request, response),
        // Without SNI the real endpoint does not know whose account is meant.
        accepts: (socket) => /^(?:.+\.)?localhost$/.test((socket as { servername?: string | false }).servername || ''),
      },
      options.credentialsPort ?? 0,
    );
  }

  static async start(options: LocalCloudOptions): Promise<LocalCloud> {
    mkdirSync(options.dir, { recursive: true });
    const account = Account.open(options.dir, {
      accountId: options.accountId ?? DEFAULT_ACCOUNT,
      region: options.region ?? DEFAULT_REGION,
    });
    const serverAuthority = await openAuthority(options.dir, 'ca', 'Local Cloud Root CA');
    const deviceAuthority = await openAuthority(options.dir, 'device-ca', 'Local Cloud Device CA');
    const server = await serverAuthority.issue({ commonName: 'localhost', hosts: SERVER_HOSTS });
    const events = new InboxEvents(account);
    const store = new ObjectStore(join(options.dir, 's3'), (object) => {
      options.onStored?.(object);
      events.add(object);
    });
    await store.open();
    const tls = { key: server.privateKeyPem, cert: server.certificatePem };
    const cloud = new LocalCloud(options.dir, account, store, deviceAuthority, tls, options);
    events.onMessage = ({ topic, payload }) => cloud.mqtt.publish(topic, payload);
    await cloud.goOnline();
    cloud.jobs.start();
    return cloud;
  }

  get s3Endpoint(): string {
    return `https://localhost:${this.s3.port}`;
  }

  /** host:port */
  get credentialsEndpoint(): string {
    return `localhost:${this.credentials.port}`;
  }

  /** host:port */
  get mqttEndpoint(): string {
    return `localhost:${this.mqtt.port}`;
  }

  /** Where handlers in the account publish to things. */
  get dataPlaneEndpoint(): string {
    return `https://localhost:${this.dataPlane.port}`;
  }

  get s3Port(): number {
    return this.s3.port;
  }

  get credentialsPort(): number {
    return this.credentials.port;
  }

  /** PEM of the CA that signed both servers */
  get caFile(): string {
    return join(this.dir, 'ca.pem');
  }

  get accountId(): string {
    return this.account.accountId;
  }

  get region(): string {
    return this.account.region;
  }

  /** Long-lived keys that may do everything. */
  get admin(): { accessKeyId: string; secretAccessKey: string } {
    return this.account.admin;
  }

  get requests(): RequestRecord[] {
    return this.log.list();
  }

  get counters(): Readonly<Record<string, number>> {
    return this.log.counters;
  }

  clearRequests(): void {
    this.log.clear();
  }

  /** The next request, from now on, that is answered and fits. */
  nextRequest(fits: (record: RequestRecord) => boolean = () => true): Promise<RequestRecord> {
    return this.log.next(fits);
  }

  /**
   * Idempotent; `policy` is a bucket policy of which the Deny statements count. With `notifiesInbox` each object that is
   * created below `<thing>/inbox/` becomes a trigger for its thing, by the handler that runs in the account.
   */
  createBucket(name: string, options: Partial<Bucket> = {}): void {
    this.account.putBucket(name, { region: this.region, ownerId: this.accountId, ...options });
  }

  createRoleAlias(alias: string, options: Omit<RoleAlias, 'durationSeconds'> & { durationSeconds?: number }): void {
    this.account.putRoleAlias(alias, { durationSeconds: DEFAULT_DURATION_SECONDS, ...options });
  }

  /** A thing with one active certificate. Idempotent: a thing that is there keeps its certificate. */
  async createThing(
    name: string,
    options: { thingType?: string; certificatePolicy?: PolicyDocument } = {},
  ): Promise<LocalThing> {
    const folder = join(this.dir, 'things', Buffer.from(name).toString('hex'));
    const certificateFile = join(folder, 'certificate.pem');
    const privateKeyFile = join(folder, 'private.key');
    if (this.account.findThing(name) === undefined) {
      mkdirSync(folder, { recursive: true });
      const pair = await this.deviceAuthority.issue({ commonName: name });
      writeFileSync(privateKeyFile, pair.privateKeyPem, { mode: 0o600 });
      writeFileSync(certificateFile, pair.certificatePem);
    }
    const certificateId = certificateIdOf(readFileSync(certificateFile, 'utf8'));
    this.registerCertificate(certificateId, options.certificatePolicy);
    this.account.putThing(name, {
      certificateIds: [certificateId],
      ...(options.thingType === undefined ? {} : { thingType: options.thingType }),
    });
    return { name, certificateId, certificateFile, privateKeyFile };
  }

  /** One that services of AWS assume, by their names. */
  createRole(name: string, policy: PolicyDocument, trusts: readonly string[]): void {
    this.account.putRole(name, { policy, trusts: [...trusts] });
  }

  /** For jobs. */
  createThingGroup(name: string, things: readonly string[]): void {
    this.account.putThingGroup(name, things);
  }

  /** A certificate of the device CA that is not registered (and may be expired). */
  issueDeviceCertificate(options: { commonName: string; notAfter?: Date }): Promise<PemPair> {
    return this.deviceAuthority.issue(options);
  }

  registerCertificate(certificateId: string, policy: PolicyDocument = assumeAnyAlias()): void {
    this.account.putCertificate(certificateId, { status: 'ACTIVE', policy });
  }

  setCertificateStatus(certificateId: string, status: CertificateStatus): void {
    const certificate = this.account.findCertificate(certificateId);
    if (certificate === undefined) throw new Error(`no certificate ${certificateId}`);
    this.account.putCertificate(certificateId, { ...certificate, status });
  }

  revoke(certificateId: string): void {
    this.setCertificateStatus(certificateId, 'REVOKED');
  }

  /** Session credentials as sts:AssumeRole gives them: a role's policy, narrowed by a session policy. */
  issueCredentials(options: {
    policy: PolicyDocument;
    sessionPolicy?: PolicyDocument;
    variables?: Record<string, string>;
    durationSeconds?: number;
  }): SessionCredentials {
    const durationMs = (options.durationSeconds ?? DEFAULT_DURATION_SECONDS) * 1000;
    return this.account.issueForPolicies({
      policy: options.policy,
      ...(options.sessionPolicy === undefined ? {} : { sessionPolicy: options.sessionPolicy }),
      variables: options.variables ?? {},
      expiresAtMs: Date.now() + this.clockOffsetMs + durationMs,
    });
  }

  /**
   * Tokens by message: the role `s3-role`, the topic rule for `+/token/req`, and the function behind it, with the role
   * that it runs by; other roles, where they are given. What a core device publishes is handed over by `take` of what
   * this gives.
   */
  createTokenVendor(
    bucket: string,
    {
      durationSeconds = DEFAULT_DURATION_SECONDS,
      functionRole = { arn: this.account.roleArn('token-vendor'), policy: tokenVendorPolicy(this) },
      role = { arn: this.account.roleArn('s3-role'), policy: seedBRolePolicy(bucket), trusts: [functionRole.arn] },
    }: TokenVendorOptions = {},
  ): TokenRule {
    this.account.putRole(role.arn.replace(/^.*:role\//, ''), { policy: role.policy, trusts: role.trusts });
    this.sts.minSeconds = Math.min(this.sts.minSeconds, durationSeconds);
    const rule = new TokenRule({
      settings: { roleArn: role.arn, bucket, durationSeconds },
      functionRole,
      topicArn: (topic) => `arn:aws:iot:${this.region}:${this.accountId}:topic/${topic}`,
      sts: this.sts,
    });
    this.mqtt.listeners.push((topic, payload) => rule.take(topic, payload, this.#publish));
    return rule;
  }

  /** Told of each token that is issued from now on. */
  watchTokens(watch: (credentials: SessionCredentials) => void): void {
    this.account.onIssued = watch;
  }

  /** From now on tokens are another store's, who asks for them and how being as before. */
  issueFrom(issuer: Account['issuer']): void {
    this.account.issuer = issuer;
  }

  /** The role that tokens are of trusts nobody any more. */
  forbidTokens(): void {
    this.account.putRole('s3-role', { ...this.account.findRole('s3-role')!, trusts: [] });
  }

  /** All tokens issued so far count as expired. */
  expireTokens(): void {
    this.account.expireTokens();
  }

  /** Connections are cut, new ones refused, until `goOnline`. */
  async goOffline(): Promise<void> {
    await Promise.all([this.s3, this.credentials, this.dataPlane, this.mqtt].map((listener) => listener.close()));
  }

  async goOnline(): Promise<void> {
    await Promise.all([this.s3, this.credentials, this.dataPlane, this.mqtt].map((listener) => listener.open()));
  }

  /** In S3's order. */
  objects(bucket: string): ObjectRecord[] {
    const { keys, objects } = this.store.contentsOf(bucket);
    const found: ObjectRecord[] = [];
    for (let at = 0, key = keys.at(0); key !== undefined; at++, key = keys.at(at)) found.push(objects.get(key)!);
    return found;
  }

  findObject(bucket: string, key: string): ObjectRecord | undefined {
    return this.store.findObject(bucket, key);
  }

  readObject(bucket: string, key: string): Readable {
    const object = this.store.findObject(bucket, key);
    if (object === undefined) throw new Error(`no object ${bucket}/${key}`);
    return this.store.blobs.read(object.slices);
  }

  /** hex */
  async sha256(bucket: string, key: string): Promise<string> {
    const hash = createHash('sha256');
    for await (const chunk of this.readObject(bucket, key) as AsyncIterable<Buffer>) hash.update(chunk);
    return hash.digest('hex');
  }

  multipartUploads(bucket: string): LocalUpload[] {
    return this.store.listUploads(bucket).map(({ upload, parts }) => ({
      key: upload.key,
      uploadId: upload.uploadId,
      parts: [...parts.values()]
        .sort((a, b) => a.partNumber - b.partNumber)
        .map(({ partNumber, sizeBytes, etag }) => ({ partNumber, sizeBytes, etag })),
    }));
  }

  async stop(): Promise<void> {
    this.faults.clear();
    this.jobs.stop();
    await this.goOffline();
    await this.mqtt.stop();
    await this.control.close();
    this.store.close();
  }
}

/** Of the function: seed B's. */
function tokenVendorPolicy({ region, accountId }: LocalCloud): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'iot:Publish', Resource: `arn:aws:iot:${region}:${accountId}:topic/*/token/res` },
      { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: `arn:aws:iam::${accountId}:role/s3-role` },
    ],
  };
}

function assumeAnyAlias(): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'iot:AssumeRoleWithCertificate', Resource: '*' }],
  };
}

async function openAuthority(dir: string, name: string, commonName: string): Promise<CertificateAuthority> {
  const certificateFile = join(dir, `${name}.pem`);
  const keyFile = join(dir, `${name}.key`);
  if (existsSync(certificateFile)) {
    return CertificateAuthority.load({
      certificatePem: readFileSync(certificateFile, 'utf8'),
      privateKeyPem: readFileSync(keyFile, 'utf8'),
    });
  }
  const authority = await CertificateAuthority.create(commonName);
  writeFileSync(keyFile, authority.pem.privateKeyPem, { mode: 0o600 });
  writeFileSync(certificateFile, authority.pem.certificatePem);
  return authority;
}

/** The client closed its side inside the body: S3 still answers. */
function s3UnreadableAnswer(error: NodeJS.ErrnoException): string | undefined {
  if (error.code === 'ECONNRESET') return undefined;
  const [status, code] =
    error.code === 'HPE_INVALID_EOF_STATE' ? ['400 Bad Request', 'IncompleteBody'] : ['400 Bad Request', 'BadRequest'];
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>The request could not be read to its end.</Message></Error>`;
  return `HTTP/1.1 ${status}\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}
