import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { type ErrorCode, TransferError } from '../../src/domain/errors';
import type { InboxStore } from '../../src/inbox/inbox-store';
import type { Multipart, ObjectStore, Whole } from '../../src/upload/object-store';
import type { SentPart } from '../../src/upload/part-plan';
import type { DeviationId } from '../engines/deviation';
import type { AccessKeys, PolicyDocument, TemporaryKeys } from '../engines/engine';
import type { ContractRun, ReadonlyDeep } from './contract-run';
import { makeBody, type Shape } from './make-body';
import { type InboxOptions, makeInboxStore, makeStore, type StoreOptions } from './make-store';
import { readBytes } from './read-object';

export const NEVER = new AbortController().signal;

const EVERYTHING = [
  { Effect: 'Allow', Action: 's3:*', Resource: ['arn:aws:s3:::$BUCKET', 'arn:aws:s3:::$BUCKET/*'] },
] as const;

export type CodeOtherwise = Partial<Record<DeviationId, ErrorCode | 'accepted'>>;

/** The store at one engine: by keys that may do everything, and by others. */
export class StoreRun {
  private readonly closers: (() => void)[] = [];
  private all: { keys: TemporaryKeys; s3: S3Client } | undefined;

  constructor(
    readonly run: ContractRun,
    private readonly holder: 'token' | 'owner' = 'token',
  ) {}

  async start(): Promise<void> {
    const keys = this.holder === 'token' ? await this.run.issueKeys(EVERYTHING) : lasting(this.run.engine.admin);
    this.all = { keys, s3: this.run.client(keys) };
  }

  stop(): void {
    for (const close of this.closers) close();
  }

  get keys(): TemporaryKeys {
    if (this.all === undefined) throw new Error('not started');
    return this.all.keys;
  }

  /** Past the store, by keys that may do everything. */
  get s3(): S3Client {
    if (this.all === undefined) throw new Error('not started');
    return this.all.s3;
  }

  store(options: Partial<StoreOptions> = {}, keys = this.keys): ObjectStore {
    const { store, close } = makeStore(this.run.engine, keys, { bucket: this.run.bucket, ...options });
    this.closers.push(close);
    return store;
  }

  inbox(options: Partial<InboxOptions> = {}, keys = this.keys): InboxStore {
    const { store, close } = makeInboxStore(this.run.engine, keys, { bucket: this.run.bucket, ...options });
    this.closers.push(close);
    return store;
  }

  /** Keys that may do one thing, anywhere in the bucket. */
  keysFor(action: string, seconds = 900): Promise<TemporaryKeys> {
    return this.run.issueKeys([{ Effect: 'Allow', Action: action, Resource: 'arn:aws:s3:::$BUCKET/*' }], {}, seconds);
  }

  async storeFor(statements: ReadonlyDeep<PolicyDocument['Statement']>): Promise<ObjectStore> {
    return this.store({}, await this.run.issueKeys(statements));
  }

  /** Past the store: as S3 gives it to anybody who may read. */
  get(Key: string): Promise<GetObjectCommandOutput> {
    return this.s3.send(new GetObjectCommand({ Bucket: this.run.bucket, Key }));
  }

  /** Past the store: somebody puts an object there. @returns its ETag */
  async place(Key: string, Body: string | Uint8Array, more: Partial<PutObjectCommandInput> = {}): Promise<string> {
    const { ETag } = await this.s3.send(
      new PutObjectCommand({ Bucket: this.run.bucket, Key, Body: Buffer.from(Body), ...more }),
    );
    if (ETag === undefined) throw new Error(`no ETag of ${Key}`);
    return ETag;
  }

  async sha256Of(key: string): Promise<string> {
    return sha256(await readBytes(this.get(key)));
  }

  put(store: ObjectStore, key: string, bytes: Buffer, shape: Shape = 'buffer', onlyIfAbsent = false): Promise<void> {
    return store.putObject(attributesOf(key), makeBody(bytes, store.digestNeeds, shape), onlyIfAbsent, NEVER);
  }

  /** Create and send; to be completed. */
  async begin(store: ObjectStore, key: string, slices: readonly Buffer[], shape: Shape = 'buffer') {
    const upload = { key, id: await store.createMultipart(attributesOf(key), NEVER) };
    const parts: SentPart[] = [];
    let offset = 0;
    for (const [index, bytes] of slices.entries()) {
      parts.push(await this.sendPart(store, upload, index + 1, offset, bytes, shape));
      offset += bytes.length;
    }
    return { upload, parts, whole: wholeOf(Buffer.concat(slices)) };
  }

  async sendPart(
    store: ObjectStore,
    upload: Multipart,
    number: number,
    offset: number,
    bytes: Buffer,
    shape: Shape = 'buffer',
  ): Promise<SentPart> {
    const part = { number, offset, sizeBytes: bytes.length };
    const body = makeBody(bytes, store.digestNeeds, shape);
    return { ...part, crc32: crc32(bytes), etag: await store.uploadPart(upload, part, body, NEVER) };
  }

  /** The call ends with this code, or as the engine's deviation makes it. */
  async expectCode(call: Promise<unknown>, code: ErrorCode | 'accepted', otherwise: CodeOtherwise = {}): Promise<void> {
    const id = (Object.keys(otherwise) as DeviationId[]).find((one) => this.run.deviates(one));
    expect(await codeOf(call)).toBe(id === undefined ? code : otherwise[id]);
  }
}

const lasting = (keys: AccessKeys): TemporaryKeys => ({ sessionToken: '', expiration: new Date(8.64e15), ...keys });

/** The code a call fails with. Errors that are none of ours pass through: an adapter lets none out. */
export const codeOf = (call: Promise<unknown>): Promise<ErrorCode | 'accepted'> =>
  call.then(
    () => 'accepted',
    (error: unknown) => {
      if (error instanceof TransferError) return error.code;
      throw error;
    },
  );

export const attributesOf = (key: string) => ({
  key,
  contentType: 'application/x-contract',
  metadata: { 'courier-id': 'ledger.1', mtime: '1700000000.000000001' },
});

export const wholeOf = (bytes: Buffer): Whole => ({ sizeBytes: bytes.length, crc32: crc32(bytes) });

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
