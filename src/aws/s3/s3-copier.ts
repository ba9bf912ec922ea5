import type { CompletedPart, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { hasCode, TransferError } from '../../domain/errors';
import type { RemoteVersion } from '../../download/remote-object';
import type { Log } from '../../log';
import { encodeKey, type S3Connection } from './s3-connection';

export interface S3CopierOptions {
  readonly connection: S3Connection;
  readonly expectedBucketOwner: string | undefined;
  readonly copyMaxBytes: number;
  readonly log: Log;
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

  async copy(key: string, version: RemoteVersion, to: string, signal: AbortSignal): Promise<void> {
    try {
      if (version.sizeBytes > this.options.copyMaxBytes) await this.#copyInParts(key, version, to, signal);
      else await this.#copyAtOnce(key, version, to, signal);
    } catch (error) {
      throw hasCode(error, 'PRECONDITION_FAILED') ? changed(key, error) : error;
    }
  }

  async #copyAtOnce(key: string, version: RemoteVersion, to: string, signal: AbortSignal): Promise<void> {
    if (this.#tagsDenied) return this.#copyOnce(key, version, to, false, signal);
    try {
      await this.#copyOnce(key, version, to, true, signal);
    } catch (error) {
      if (!hasCode(error, 'ACCESS_DENIED')) throw error;
      await this.#copyOnce(key, version, to, false, signal);
      this.#tagsDenied = true;
      this.options.log.info(
        { key, code: 'ACCESS_DENIED' },
        'copied without its tags; allow s3:GetObjectTagging and s3:PutObjectTagging to keep them',
      );
    }
  }

  async #copyOnce(
    key: string,
    version: RemoteVersion,
    to: string,
    withTags: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { connection } = this.options;
    await connection.call(
      { action: 's3:PutObject', bucket: connection.bucket, key: to },
      (client, { CopyObjectCommand }) =>
        client.send(
          new CopyObjectCommand({
            ...this.#at,
            Key: to,
            CopySource: copySource(connection.bucket, key),
            CopySourceIfMatch: version.etag,
            ...(withTags ? {} : { TaggingDirective: 'REPLACE' as const }),
          }),
          { abortSignal: signal },
        ),
    );
  }

  /** Carries neither metadata nor content type by itself. */
  async #copyInParts(key: string, version: RemoteVersion, to: string, signal: AbortSignal): Promise<void> {
    const { connection } = this.options;
    const asking = (action: string, what: string) => ({ action, bucket: connection.bucket, key: what });
    const head: HeadObjectCommandOutput = await connection.call(
      asking('s3:GetObject', key),
      (client, { HeadObjectCommand }) =>
        client.send(new HeadObjectCommand({ ...this.#at, Key: key, IfMatch: version.etag }), { abortSignal: signal }),
    );
    const { UploadId } = await connection.call(asking('s3:PutObject', to), (client, { CreateMultipartUploadCommand }) =>
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
        }),
        { abortSignal: signal },
      ),
    );
    try {
      const parts: CompletedPart[] = [];
      const partBytes = copyPartBytes(version.sizeBytes, this.options.copyMaxBytes);
      for (let from = 0, number = 1; from < version.sizeBytes; from += partBytes, number++) {
        const last = Math.min(from + partBytes, version.sizeBytes) - 1;
        const { CopyPartResult } = await connection.call(
          asking('s3:PutObject', to),
          (client, { UploadPartCopyCommand }) =>
            client.send(
              new UploadPartCopyCommand({
                ...this.#at,
                Key: to,
                UploadId,
                PartNumber: number,
                CopySource: copySource(connection.bucket, key),
                CopySourceIfMatch: version.etag,
                CopySourceRange: `bytes=${from}-${last}`,
              }),
              { abortSignal: signal },
            ),
        );
        if (CopyPartResult?.ETag === undefined)
          throw new TransferError('S3_INTERNAL', `no ETag for part ${number} of ${to}`);
        const { ETag, ChecksumCRC32 } = CopyPartResult;
        parts.push({ PartNumber: number, ETag, ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }) });
      }
      await connection.call(asking('s3:PutObject', to), (client, { CompleteMultipartUploadCommand }) =>
        client.send(
          new CompleteMultipartUploadCommand({ ...this.#at, Key: to, UploadId, MultipartUpload: { Parts: parts } }),
          { abortSignal: signal },
        ),
      );
    } catch (error) {
      await this.#abort(to, UploadId!);
      throw error;
    }
  }

  /** What is left would cost money, unseen. A kill in between leaves it to the bucket's lifecycle rule. */
  async #abort(key: string, UploadId: string): Promise<void> {
    const { connection, log } = this.options;
    await connection
      .call(
        { action: 's3:AbortMultipartUpload', bucket: connection.bucket, key },
        (client, { AbortMultipartUploadCommand }) =>
          client.send(new AbortMultipartUploadCommand({ ...this.#at, Key: key, UploadId })),
      )
      .catch((error: unknown) => log.warn({ key, reason: String(error) }, 'a copy in parts could not be aborted'));
  }
}

/** A part is copied at once, too. */
const copyPartBytes = (sizeBytes: number, copyMaxBytes: number): number =>
  Math.max(PART_BYTES_AT_LEAST, Math.min(PART_BYTES, copyMaxBytes), Math.ceil(sizeBytes / PARTS_AT_MOST));

export const changed = (key: string, cause?: unknown): TransferError =>
  new TransferError('OBJECT_CHANGED', `${key} has been replaced in the meantime`, { cause });

/** CopySource as S3 wants it. */
const copySource = (bucket: string, key: string): string => `${bucket}/${encodeKey(key)}`;
