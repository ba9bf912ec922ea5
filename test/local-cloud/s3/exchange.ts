import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Account, Bucket } from '../account';
import type { Fault } from '../fault-plan';
import { isAllowed } from '../policy';
import type { PolicyContext } from '../policy-pattern';
import type { Authenticated } from './authenticate';
import type { BlobSlice } from './blob-store';
import { type BodyRules, type ReceivedBody, receiveBody } from './body-intake';
import type { ObjectStore } from './object-store';
import { findQuery, type RequestHead } from './request-head';
import { accessDenied, S3Error } from './s3-error';
import { parseXml, type XmlElement, type XmlNode, xmlDocument } from './xml';

const MAX_XML_BYTES = 8 * 1024 * 1024;

/** What every exchange shares; the numbers may be changed by tests while the cloud runs. */
export interface S3Surroundings {
  account: Account;
  store: ObjectStore;
  now: () => number;
  settings: S3Settings;
}

export interface S3Settings {
  bodyIdleMs: number;
  /** how long the identical Complete is answered again */
  completeRepeatMs: number;
  /** what of an object is about to be sent; the next of it waits until this resolves, and the answer breaks off when it rejects */
  onRead?: (key: string, bytes: number) => Promise<void>;
}

/** Without a stream only the length is told: the answer to HEAD. */
export type ReplyBody = string | Buffer | { stream?: Readable; lengthBytes: number };

/** One authenticated request and its answer. */
export class S3Exchange {
  bytesIn = 0;
  private readonly held: BlobSlice[][] = [];
  private policyContext: PolicyContext | undefined;

  constructor(
    readonly around: S3Surroundings,
    private readonly request: IncomingMessage,
    private readonly answer: S3Answer,
    readonly head: RequestHead,
    private readonly auth: Authenticated,
    readonly bucketName: string,
    private readonly bucketRecord: Bucket,
    readonly fault: Fault | undefined,
  ) {}

  get key(): string {
    return this.head.key ?? '';
  }

  get objectArn(): string {
    return objectArn(this.bucketName, this.key);
  }

  get bucketArn(): string {
    return `arn:aws:s3:::${this.bucketName}`;
  }

  get bucketRegion(): string {
    return this.bucketRecord.region;
  }

  get settings(): Readonly<Pick<Bucket, 'notification' | 'lifecycle'>> {
    return this.bucketRecord;
  }

  changeSettings(settings: Pick<Bucket, 'notification' | 'lifecycle'>): void {
    this.around.account.putBucket(this.bucketName, { ...this.bucketRecord, ...settings });
  }

  get ownerId(): string {
    return this.bucketRecord.ownerId;
  }

  header(name: string): string | undefined {
    return this.head.headers[name];
  }

  query(name: string): string | undefined {
    return findQuery(this.head, name);
  }

  allows(action: string, resource: string, extra: PolicyContext = {}): boolean {
    this.policyContext ??= contextOf(this.head, this.auth, this.bucketRecord);
    const context = { ...this.policyContext, ...extra };
    const guard = this.bucketRecord.policy;
    return isAllowed(this.auth.identity.policies, { action, resource, context }, guard === undefined ? [] : [guard]);
  }

  require(action: string, resource: string, extra: PolicyContext = {}): void {
    if (!this.allows(action, resource, extra)) {
      throw accessDenied(
        `User is not authorized to perform: ${action} on resource: "${resource}" because no policy allows the ${action} action`,
      );
    }
  }

  /** To disk. What is received is held until the exchange ends; a record that names it holds it on. */
  async receiveObject(rules: Omit<BodyRules, 'blobs'>): Promise<ReceivedBody> {
    const body = await this.receive({ ...rules, blobs: this.around.store.blobs });
    this.hold(body.slices);
    return body;
  }

  async receiveXml(rootName: string, rules: Pick<BodyRules, 'checksumsOfObject'> = {}): Promise<XmlElement> {
    const { bytes } = await this.receive({ maxBytes: MAX_XML_BYTES, ...rules });
    if (bytes.length === 0) throw new S3Error('MissingRequestBodyError', 'Request Body is empty');
    const root = parseXml(bytes.toString());
    if (root.name !== rootName) throw new S3Error('MalformedXML', `expected <${rootName}>`);
    return root;
  }

  /** For operations without a body: what was signed must still be true of the empty one. */
  async receiveNothing(): Promise<void> {
    if (this.header('content-length') === undefined && this.auth.payloadHash.length === 64) {
      this.head.headers['content-length'] = '0';
    }
    if (this.header('content-length') !== undefined) await this.receive({ maxBytes: MAX_XML_BYTES });
  }

  /** Keeps bodies readable while the exchange works on them. */
  hold(slices: BlobSlice[]): void {
    this.around.store.blobs.retain(slices);
    this.held.push(slices);
  }

  releaseHeld(): void {
    for (const slices of this.held.splice(0)) this.around.store.blobs.release(slices);
  }

  reply(status: number, headers: Record<string, string>, body?: ReplyBody): Promise<void> {
    return this.answer.send(status, headers, body);
  }

  replyXml(root: XmlNode, headers: Record<string, string> = {}): Promise<void> {
    return this.reply(200, { 'content-type': 'application/xml', ...headers }, xmlDocument(root));
  }

  private receive(rules: BodyRules): Promise<ReceivedBody> {
    return receiveBody(this.request, this.head, this.auth, rules, {
      idleMs: this.around.settings.bodyIdleMs,
      corrupt: this.fault?.kind === 'corrupt',
      dropAfterBytes: this.fault?.kind === 'drop' ? this.fault.afterBytes : undefined,
      onBytes: (count) => {
        this.bytesIn += count;
      },
      onReady: () => this.answer.continueIfAsked(),
    });
  }
}

/** Writes one answer, once, with the headers that every answer of S3 has. */
export class S3Answer {
  readonly requestId = randomBytes(8).toString('hex').toUpperCase();
  readonly hostId = randomBytes(42).toString('base64');
  fault: Fault | undefined;
  private sent = false;

  constructor(
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly expectsContinue: boolean,
    private readonly now: () => number,
    private readonly onSend: (status: number) => void,
  ) {}

  continueIfAsked(): void {
    if (this.expectsContinue) this.response.writeContinue();
  }

  drop(): void {
    this.tell(0);
    this.request.socket.destroy();
  }

  async send(
    status: number,
    headers: Record<string, string>,
    body: ReplyBody = '',
    /** what to wait for between the answer and the end of the response (which may close the connection) */
    beforeEnd?: () => Promise<void>,
  ): Promise<void> {
    if (this.fault?.kind === 'dropAfter') {
      this.drop();
      return;
    }
    const { response } = this;
    this.tell(status);
    const length =
      typeof body === 'string' ? Buffer.byteLength(body) : Buffer.isBuffer(body) ? body.length : body.lengthBytes;
    if (this.fault?.kind === 'truncate' && (length === 0 || this.request.method === 'HEAD')) {
      // There is no body to cut: the head itself ends early.
      this.request.socket.end(`HTTP/1.1 ${status} `);
      return;
    }
    response.writeHead(status, {
      'x-amz-id-2': this.hostId,
      'x-amz-request-id': this.requestId,
      date: new Date(this.now()).toUTCString(),
      server: 'AmazonS3',
      ...(status === 204 || status === 304 ? {} : { 'content-length': length }),
      ...headers,
    });
    if (this.fault?.kind === 'truncate') await this.truncate(body);
    else if (beforeEnd !== undefined) {
      response.flushHeaders();
      if (!Buffer.isBuffer(body) && typeof body !== 'string') throw new Error('a refusal has no stream');
      if (length > 0 && this.request.method !== 'HEAD') response.write(body);
      await beforeEnd();
      response.end();
    } else if (this.request.method === 'HEAD' || length === 0) response.end();
    else if (typeof body === 'string' || Buffer.isBuffer(body)) response.end(body);
    else if (body.stream !== undefined) await pipeline(body.stream, response);
  }

  private async truncate(body: ReplyBody): Promise<void> {
    const { response } = this;
    response.flushHeaders();
    if (typeof body === 'string' || Buffer.isBuffer(body)) response.write(body.slice(0, Math.floor(body.length / 2)));
    else if (body.stream !== undefined) {
      let left = Math.floor(body.lengthBytes / 2);
      for await (const chunk of body.stream as AsyncIterable<Buffer>) {
        response.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) break;
      }
    }
    this.request.socket.destroySoon();
  }

  private tell(status: number): void {
    if (!this.sent) this.onSend(status);
    this.sent = true;
  }
}

export function objectArn(bucket: string, key: string): string {
  return `arn:aws:s3:::${bucket}/${key}`;
}

function contextOf(head: RequestHead, auth: Authenticated, bucket: Bucket): PolicyContext {
  const context: Record<string, string | undefined> = {
    ...auth.identity.variables,
    'aws:securetransport': 'true',
    's3:resourceaccount': bucket.ownerId,
    's3:signatureversion': 'AWS4-HMAC-SHA256',
    's3:authtype': auth.claim.presigned ? 'REST-QUERY-STRING' : 'REST-HEADER',
    's3:if-match': head.headers['if-match'],
    's3:if-none-match': head.headers['if-none-match'],
    's3:x-amz-content-sha256': auth.payloadHash,
  };
  for (const [name, value] of Object.entries(head.headers)) {
    if (name.startsWith('x-amz-') && name !== 'x-amz-content-sha256') context[`s3:${name}`] = value;
  }
  return context;
}
