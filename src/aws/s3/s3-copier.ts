import type { CompletedPart, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { hasCode, TransferError } from '../../domain/errors';
import type { RemoteVersion } from '../../download/remote-object';
import type { Log } from '../../log';
import { encodeTags, ownerHeader } from './object-headers';
import { encodeKey, type S3Connection } from './s3-connection';
import type { S3Call } from './translate-s3-error';

export interface S3CopierOptions {
  readonly connection: S3Connection;
  readonly expectedBucketOwner: string | undefined;
  readonly copyMaxBytes: number;
  readonly log: Log;
}

export interface CopyTarget {
  readonly key: string;
  /** Nothing may be there. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
  readonly onlyIfAbsent: boolean;
}

const PARTS_AT_MOST = 10_000;
const PART_BYTES_AT_LEAST = 5 * 1024 * 1024;
const PART_BYTES = 512 * 1024 * 1024;

/** Copies an object within its bucket: at once, or in parts where it is too large for that. */
export class S3Copier {
  readonly #at: { readonly Bucket: string; readonly ExpectedBucketOwner?: string };
  #tagsDenied = false;

  constructor(private readonly options: S3CopierOptions) {
    const { connection, expectedBucketOwner } = options;
    this.#at = {
      Bucket: connection.bucket,
      ...(expectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: expectedBucketOwner }),
    };
  }

  /** @throws TransferError PRECONDITION_FAILED when it is not this version any more, or something is there */
  async copy(key: string, version: RemoteVersion, to: CopyTarget, signal: AbortSignal): Promise<void> {
    if (version.sizeBytes > this.options.copyMaxBytes) await this.#copyInParts(key, version, to, signal);
    else await this.#copyAtOnce(key, version, to, signal);
  }

  async #copyAtOnce(key: string, version: RemoteVersion, to: CopyTarget, signal: AbortSignal): Promise<void> {
    if (this.#tagsDenied) return this.#copyOnce(key, version, to, false, signal);
    try {
      await this.#copyOnce(key, version, to, true, signal);
    } catch (error) {
      if (!hasCode(error, 'ACCESS_DENIED')) throw error;
      await this.#copyOnce(key, version, to, false, signal);
      this.#tellTagsDenied(key);
    }
  }

  async #copyOnce(
    key: string,
    version: RemoteVersion,
    to: CopyTarget,
    withTags: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { connection, expectedBucketOwner } = this.options;
    const { text } = await connection.send(this.#asking('s3:PutObject', to.key), {
      method: 'PUT',
      key: to.key,
      headers: {
        'x-amz-copy-source': copySource(connection.bucket, key),
        'x-amz-copy-source-if-match': version.etag,
        ...(to.onlyIfAbsent ? { 'if-none-match': '*' } : {}),
        ...(withTags ? {} : { 'x-amz-tagging-directive': 'REPLACE' }),
        ...ownerHeader(expectedBucketOwner),
      },
      signal,
    });
    if (!text.includes('<CopyObjectResult'))
      throw new TransferError(
        'S3_INTERNAL',
        `no answer of S3's to the copy ${to.key}; something stands between here and S3`,
      );
  }

  async #copyInParts(key: string, version: RemoteVersion, to: CopyTarget, signal: AbortSignal): Promise<void> {
    const { connection } = this.options;
    const UploadId = await this.#begin(key, version, to.key, signal);
    try {
      const Parts: CompletedPart[] = [];
      const partBytes = copyPartBytes(version.sizeBytes, this.options.copyMaxBytes);
      for (let from = 0, number = 1; from < version.sizeBytes; from += partBytes, number++) {
        const range = `bytes=${from}-${Math.min(from + partBytes, version.sizeBytes) - 1}`;
        Parts.push(await this.#copyPart(key, version, { key: to.key, UploadId, number }, range, signal));
      }
      await connection.call(this.#asking('s3:PutObject', to.key), (client, { CompleteMultipartUploadCommand }) =>
        client.send(
          new CompleteMultipartUploadCommand({
            ...this.#at,
            Key: to.key,
            UploadId,
            MultipartUpload: { Parts },
            ...(to.onlyIfAbsent ? { IfNoneMatch: '*' } : {}),
          }),
          { abortSignal: signal },
        ),
      );
    } catch (error) {
      await this.#abort(to.key, UploadId);
      throw error;
    }
  }

  /** Parts carry neither metadata nor content type nor tags: the upload begins with them. */
  async #begin(key: string, version: RemoteVersion, to: string, signal: AbortSignal): Promise<string> {
    const { connection } = this.options;
    const head: HeadObjectCommandOutput = await connection.call(
      this.#asking('s3:GetObject', key),
      (client, { HeadObjectCommand }) =>
        client.send(new HeadObjectCommand({ ...this.#at, Key: key, IfMatch: version.etag }), { abortSignal: signal }),
    );
    const create = async (tagging: string | undefined): Promise<string> => {
      const { UploadId } = await connection.call(
        this.#asking('s3:PutObject', to),
        (client, { CreateMultipartUploadCommand }) =>
          client.send(
            new CreateMultipartUploadCommand({
              ...this.#at,
              Key: to,
              ChecksumAlgorithm: 'CRC32',
              ChecksumType: 'FULL_OBJECT',
              Metadata: head.Metadata,
              ContentType: head.ContentType,
              ContentEncoding: head.ContentEncoding,
              ContentDisposition: head.ContentDisposition,
              ContentLanguage: head.ContentLanguage,
              CacheControl: head.CacheControl,
              ...(tagging === undefined ? {} : { Tagging: tagging }),
            }),
            { abortSignal: signal },
          ),
      );
      if (UploadId === undefined) throw new TransferError('S3_INTERNAL', `no upload id for ${to}`);
      return UploadId;
    };
    const tagging = await this.#readTags(key, signal);
    try {
      return await create(tagging);
    } catch (error) {
      if (tagging === undefined || !hasCode(error, 'ACCESS_DENIED')) throw error;
      const id = await create(undefined);
      this.#tellTagsDenied(key);
      return id;
    }
  }

  /** As a new object takes them; undefined when there are none, or we may not know. */
  async #readTags(key: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#tagsDenied) return undefined;
    try {
      const { TagSet = [] } = await this.options.connection.call(
        this.#asking('s3:GetObjectTagging', key),
        (client, { GetObjectTaggingCommand }) =>
          client.send(new GetObjectTaggingCommand({ ...this.#at, Key: key }), { abortSignal: signal }),
      );
      return encodeTags(Object.fromEntries(TagSet.map(({ Key, Value }) => [Key ?? '', Value ?? ''])));
    } catch (error) {
      if (!hasCode(error, 'ACCESS_DENIED')) throw error;
      this.#tellTagsDenied(key);
      return undefined;
    }
  }

  async #copyPart(
    key: string,
    version: RemoteVersion,
    to: { readonly key: string; readonly UploadId: string; readonly number: number },
    range: string,
    signal: AbortSignal,
  ): Promise<CompletedPart> {
    const { connection } = this.options;
    const { CopyPartResult } = await connection.call(
      this.#asking('s3:PutObject', to.key),
      (client, { UploadPartCopyCommand }) =>
        client.send(
          new UploadPartCopyCommand({
            ...this.#at,
            Key: to.key,
            UploadId: to.UploadId,
            PartNumber: to.number,
            CopySource: copySource(connection.bucket, key),
            CopySourceIfMatch: version.etag,
            CopySourceRange: range,
          }),
          { abortSignal: signal },
        ),
    );
    if (CopyPartResult?.ETag === undefined)
      throw new TransferError('S3_INTERNAL', `no ETag for part ${to.number} of ${to.key}`);
    const { ETag, ChecksumCRC32 } = CopyPartResult;
    return { PartNumber: to.number, ETag, ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }) };
  }

  #tellTagsDenied(key: string): void {
    this.#tagsDenied = true;
    this.options.log.info(
      { key, code: 'ACCESS_DENIED' },
      'copied without tags; allow s3:GetObjectTagging and s3:PutObjectTagging to keep them',
    );
  }

  /** What is left would cost money, unseen. A kill in between leaves it to the bucket's lifecycle rule. */
  async #abort(key: string, UploadId: string): Promise<void> {
    const { connection, log } = this.options;
    await connection
      .call(this.#asking('s3:AbortMultipartUpload', key), (client, { AbortMultipartUploadCommand }) =>
        client.send(new AbortMultipartUploadCommand({ ...this.#at, Key: key, UploadId })),
      )
      .catch((error: unknown) => log.warn({ key, reason: String(error) }, 'a copy in parts could not be aborted'));
  }

  #asking(action: string, key: string): S3Call {
    return { action, bucket: this.options.connection.bucket, key };
  }
}

/** A part is copied at once, too. */
const copyPartBytes = (sizeBytes: number, copyMaxBytes: number): number =>
  Math.max(PART_BYTES_AT_LEAST, Math.min(PART_BYTES, copyMaxBytes), Math.ceil(sizeBytes / PARTS_AT_MOST));

/** CopySource as S3 wants it. */
const copySource = (bucket: string, key: string): string => `${bucket}/${encodeKey(key)}`;
