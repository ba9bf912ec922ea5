import type { IncomingMessage } from 'node:http';
import { findCrc32 } from '../../domain/crc32';
import { findCrc64 } from '../../domain/crc64';
import { hasCode, TransferError } from '../../domain/errors';
import { METADATA } from '../../domain/object-metadata';
import type { RemoteChecksums, RemoteFile, RemoteVersion } from '../../download/remote-object';
import type { InboxStore, ListedObject, RemoteObject } from '../../inbox/inbox-store';
import type { Log } from '../../log';
import type { Answer } from './answer-reader';
import { METADATA_PREFIX, ownerHeader } from './object-headers';
import type { S3Connection } from './s3-connection';
import { S3Copier } from './s3-copier';
import type { S3Call } from './translate-s3-error';
import { unstalled } from './unstalled';

export interface S3InboxStoreOptions {
  readonly connection: S3Connection;
  readonly expectedBucketOwner: string | undefined;
  /** Beyond it an object is copied in parts: 5 GB at S3. */
  readonly copyMaxBytes: number;
  /** Whether DeleteObject and CopyObject heed If-Match: S3 does, stores that speak like it may not. */
  readonly heedsConditions: boolean;
  readonly stallMs: number;
  readonly log: Log;
}

const MOST_FOLDERS = 1_000;

/** The inbox in S3. https://docs.aws.amazon.com/AmazonS3/latest/API/ */
export class S3InboxStore implements InboxStore {
  readonly #connection: S3Connection;
  readonly #at: { readonly Bucket: string; readonly ExpectedBucketOwner?: string };
  readonly #owner: Readonly<Record<string, string>>;
  readonly #copier: S3Copier;
  /** Folders that are not asked for again. */
  readonly #listDenied = new Set<string>();

  constructor(private readonly options: S3InboxStoreOptions) {
    const { connection, expectedBucketOwner } = options;
    this.#connection = connection;
    this.#at = {
      Bucket: connection.bucket,
      ...(expectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: expectedBucketOwner }),
    };
    this.#owner = ownerHeader(expectedBucketOwner);
    this.#copier = new S3Copier(options);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<readonly ListedObject[]> {
    for (let token: string | undefined, more = true; more; ) {
      const page = await this.#connection.call(
        this.#asking('s3:ListBucket', prefix),
        (client, { ListObjectsV2Command }) =>
          client.send(
            new ListObjectsV2Command({
              ...this.#at,
              Prefix: prefix,
              EncodingType: 'url', // a key may hold what XML cannot
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
            { abortSignal: signal },
          ),
      );
      yield (page.Contents ?? []).flatMap(({ Key, ETag, Size }) =>
        Key === undefined || ETag === undefined
          ? []
          : [{ key: page.EncodingType === 'url' ? formDecoded(Key) : Key, etag: ETag, sizeBytes: Size ?? 0 }],
      );
      token = page.NextContinuationToken;
      more = page.IsTruncated === true && token !== undefined;
    }
  }

  async find(key: string, signal: AbortSignal): Promise<RemoteObject | undefined> {
    try {
      const { headers } = await this.#connection.send(this.#asking('s3:GetObject', key), {
        method: 'HEAD',
        key,
        headers: { 'x-amz-checksum-mode': 'ENABLED', ...this.#owner },
        signal,
      });
      return remoteObject(headers, key);
    } catch (error) {
      if (hasCode(error, 'OBJECT_MISSING')) return undefined;
      if (!hasCode(error, 'ACCESS_DENIED')) throw error;
      const listed = await this.#isListed(key, signal);
      if (listed === undefined) throw unseen(error);
      if (listed) throw error;
      return undefined;
    }
  }

  /**
   * Who may not list the whole bucket gets a 403 for a key that is missing, too: a listing of its folder may tell.
   * @returns undefined when that is denied as well
   */
  async #isListed(key: string, signal: AbortSignal): Promise<boolean | undefined> {
    const folder = key.slice(0, key.lastIndexOf('/') + 1);
    if (this.#listDenied.has(folder)) return undefined;
    try {
      for await (const page of this.list(key, signal)) return page.some((listed) => listed.key === key); // it would be the first
      return false;
    } catch (error) {
      if (!hasCode(error, 'ACCESS_DENIED')) throw error;
      if (this.#listDenied.size >= MOST_FOLDERS) this.#listDenied.clear();
      this.#listDenied.add(folder);
      return undefined;
    }
  }

  async findOther(key: string, known: string | undefined, signal: AbortSignal): Promise<string | 'same' | undefined> {
    try {
      const answer = await this.#connection.call(
        this.#asking('s3:GetObject', key),
        async (client, { GetObjectCommand }) => {
          const condition = known === undefined ? {} : { IfNoneMatch: known };
          // One byte tells as much as all of them.
          const got = await client.send(
            new GetObjectCommand({ ...this.#at, Key: key, Range: 'bytes=0-0', ...condition }),
            {
              abortSignal: signal,
            },
          );
          if (got.ContentRange !== undefined)
            await got.Body?.transformToByteArray(); // the connection is used again
          else (got.Body as IncomingMessage).destroy(); // all of them, from a store that knows no ranges
          return got;
        },
      );
      return answer.ETag === known ? 'same' : answer.ETag;
    } catch (error) {
      if (hasCode(error, 'OBJECT_MISSING')) return undefined;
      if (hasCode(error, 'ACCESS_DENIED')) throw unseen(error);
      if (statusOf(error) === 304) return 'same';
      if (statusOf(error) !== 416) throw error; // an empty object has no first byte
      const found = await this.find(key, signal);
      return found?.etag === known ? 'same' : found?.etag;
    }
  }

  file(key: string): RemoteFile {
    return { open: (version, fromByte, signal) => this.#open(key, version, fromByte, signal) };
  }

  async copy(
    key: string,
    version: RemoteVersion,
    to: string,
    onlyIfAbsent: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { heedsConditions } = this.options;
    if (!heedsConditions) await this.#assertStill(key, version.etag, signal);
    try {
      const target = { key: to, onlyIfAbsent: onlyIfAbsent && heedsConditions };
      await this.#copier.copy(key, version, target, signal);
    } catch (error) {
      // It does not say which condition it was.
      if (hasCode(error, 'PRECONDITION_FAILED')) await this.#assertStill(key, version.etag, signal);
      throw error;
    }
  }

  async remove(key: string, etag: string, signal: AbortSignal): Promise<void> {
    try {
      if (!this.options.heedsConditions) await this.#assertStill(key, etag, signal);
      await this.#connection.send(this.#asking('s3:DeleteObject', key), {
        method: 'DELETE',
        key,
        headers: { 'if-match': etag, ...this.#owner },
        signal,
      });
    } catch (error) {
      if (hasCode(error, 'OBJECT_MISSING')) return;
      throw hasCode(error, 'PRECONDITION_FAILED') ? changed(key, error) : error;
    }
  }

  /** @throws TransferError OBJECT_CHANGED, OBJECT_MISSING */
  async #assertStill(key: string, etag: string, signal: AbortSignal): Promise<void> {
    const found = await this.find(key, signal);
    if (found === undefined) throw new TransferError('OBJECT_MISSING', `${key} is gone`);
    if (found.etag !== etag) throw changed(key);
  }

  async #open(key: string, version: RemoteVersion, fromByte: number, signal: AbortSignal) {
    try {
      const answer = await this.#connection.call(this.#asking('s3:GetObject', key), (client, { GetObjectCommand }) =>
        client.send(
          new GetObjectCommand({
            ...this.#at,
            Key: key,
            IfMatch: version.etag,
            ...(fromByte === 0 ? {} : { Range: `bytes=${fromByte}-` }),
          }),
          { abortSignal: signal },
        ),
      );
      if (fromByte > 0 && !answer.ContentRange?.startsWith(`bytes ${fromByte}-`))
        throw new TransferError('REQUEST_REFUSED', `${key} came from its first byte, and not from byte ${fromByte} on`);
      const body = answer.Body as IncomingMessage;
      body.socket.setTimeout(0); // the SDK's, which takes a disk that is slow for a link that is dead
      return unstalled(body, this.options.stallMs, signal);
    } catch (error) {
      throw hasCode(error, 'PRECONDITION_FAILED') ? changed(key, error) : error;
    }
  }

  #asking(action: string, key: string): S3Call {
    return { action, bucket: this.#connection.bucket, key };
  }
}

const changed = (key: string, cause?: unknown): TransferError =>
  new TransferError('OBJECT_CHANGED', `${key} has been replaced in the meantime`, { cause });

const unseen = (denied: TransferError): TransferError =>
  new TransferError(
    'OBJECT_UNSEEN',
    `${denied.message}; or put it there: without s3:ListBucket S3 does not say which`,
    {
      cause: denied,
    },
  );

const statusOf = (error: unknown): number | undefined =>
  (error as { cause?: { $metadata?: { httpStatusCode?: number } } }).cause?.$metadata?.httpStatusCode;

/** In a listing S3 encodes keys as forms are: a space is a plus. */
const formDecoded = (key: string): string => decodeURIComponent(key.replaceAll('+', ' '));

function remoteObject(headers: Answer['headers'], key: string): RemoteObject {
  const { etag } = headers;
  if (!etag)
    throw new TransferError('S3_INTERNAL', `an answer without an ETag to ${key}; something stands between here and S3`);
  const mtimeSeconds = Number(metadataOf(headers, METADATA.mtime) ?? Number.NaN);
  const mode = Number.parseInt(metadataOf(headers, METADATA.mode) ?? '', 8);
  return {
    etag,
    sizeBytes: Number(headers['content-length'] ?? 0),
    checksums: checksumsOf(headers, etag),
    mtimeMs: Number.isFinite(mtimeSeconds) ? mtimeSeconds * 1000 : undefined,
    mode: Number.isNaN(mode) ? undefined : mode & 0o777,
  };
}

const metadataOf = (headers: Answer['headers'], name: string): string | undefined => headers[METADATA_PREFIX + name];

/** Of the whole object only: a composite checksum is one of its parts' checksums. */
function checksumsOf(headers: Answer['headers'], etag: string): RemoteChecksums {
  const isWhole = headers['x-amz-checksum-type'] !== 'COMPOSITE';
  const ofWhole = (algorithm: string): string | undefined =>
    isWhole ? headers[`x-amz-checksum-${algorithm}`] : undefined;
  const sha256 = ofWhole('sha256');
  // An MD5 unless it was uploaded in parts, or is encrypted by a key of the customer's or of KMS.
  const isMd5 =
    headers['x-amz-server-side-encryption']?.startsWith('aws:kms') !== true &&
    headers['x-amz-server-side-encryption-customer-algorithm'] === undefined;
  return {
    crc32: findCrc32(ofWhole('crc32')) ?? findCrc32(metadataOf(headers, METADATA.crc32)),
    crc64nvme: findCrc64(ofWhole('crc64nvme')),
    sha256: /^[A-Za-z0-9+/]{43}=$/.test(sha256 ?? '') ? Buffer.from(sha256!, 'base64').toString('hex') : undefined,
    md5: isMd5 ? /^"([0-9a-f]{32})"$/.exec(etag)?.[1] : undefined,
  };
}
