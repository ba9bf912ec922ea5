import { crc32ToBase64, findCrc32 } from '../../domain/crc32';
import { hasCode, TransferError } from '../../domain/errors';
import { METADATA } from '../../domain/object-metadata';
import type { Body } from '../../upload/body';
import type { ObjectAttributes } from '../../upload/object-attributes';
import type { DigestNeeds, ListedPart, Multipart, ObjectInfo, ObjectStore, Whole } from '../../upload/object-store';
import type { Part, SentPart } from '../../upload/part-plan';
import type { Answer } from './answer-reader';
import { encodeTags, type ObjectSettings, objectHeaders } from './object-headers';
import type { S3Connection } from './s3-connection';
import type { S3Call } from './translate-s3-error';

export interface S3ObjectStoreOptions extends ObjectSettings {
  readonly connection: S3Connection;
  readonly integrity: 'crc32' | 'md5';
  /** `unsigned` holds for https only; over plain http every payload is signed. */
  readonly payload: 'unsigned' | 'signed';
  readonly expectedBucketOwner: string | undefined;
}

/** S3 behind the port. https://docs.aws.amazon.com/AmazonS3/latest/API/ */
export class S3ObjectStore implements ObjectStore {
  readonly digestNeeds: DigestNeeds;
  readonly #connection: S3Connection;
  readonly #owner: { ExpectedBucketOwner?: string };

  constructor(private readonly options: S3ObjectStoreOptions) {
    this.digestNeeds = { md5: options.integrity === 'md5', sha256: options.payload === 'signed' };
    this.#connection = options.connection;
    this.#owner = options.expectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: options.expectedBucketOwner };
  }

  async putObject(attributes: ObjectAttributes, body: Body, onlyIfAbsent: boolean, signal: AbortSignal): Promise<void> {
    const answer = await this.#connection.put(this.#asking('s3:PutObject', attributes.key), {
      key: attributes.key,
      query: {},
      headers: this.#withBodyHeaders(objectHeaders(attributes, this.options, onlyIfAbsent), body),
      body,
      signal,
      // Was the first one done after all, the second is told "exists": the worker must know it may be its own.
      repeatable: !onlyIfAbsent,
    });
    assertKept(answer, body, attributes.key);
    assertETag(answer, attributes.key);
  }

  async createMultipart(attributes: ObjectAttributes, signal: AbortSignal): Promise<string> {
    const { storageClass, kmsKeyId, tags, integrity } = this.options;
    const tagging = encodeTags(tags);
    const { UploadId } = await this.#connection.call(
      this.#asking('s3:PutObject', attributes.key),
      (client, { CreateMultipartUploadCommand }) =>
        client.send(
          new CreateMultipartUploadCommand({
            Bucket: this.#connection.bucket,
            Key: attributes.key,
            ContentType: attributes.contentType,
            Metadata: { ...attributes.metadata },
            ...(integrity === 'crc32' ? { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } : {}),
            ...(storageClass === undefined ? {} : { StorageClass: storageClass as 'STANDARD' }),
            ...(kmsKeyId === undefined ? {} : { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKeyId }),
            ...(tagging === undefined ? {} : { Tagging: tagging }),
            ...this.#owner,
          }),
          { abortSignal: signal },
        ),
    );
    if (!UploadId) throw new TransferError('S3_INTERNAL', `S3 gave no upload id for ${attributes.key}`);
    return UploadId;
  }

  async uploadPart({ key, id }: Multipart, part: Part, body: Body, signal: AbortSignal): Promise<string> {
    const answer = await this.#connection.put(this.#asking('s3:PutObject', key), {
      key,
      query: { partNumber: String(part.number), uploadId: id },
      headers: this.#withBodyHeaders({}, body),
      body,
      signal,
      repeatable: true,
    });
    assertKept(answer, body, key);
    return assertETag(answer, key);
  }

  async listParts({ key, id }: Multipart, signal: AbortSignal): Promise<ListedPart[]> {
    const parts: ListedPart[] = [];
    for (let marker: string | undefined, more = true; more; ) {
      const page = await this.#connection
        .call(this.#asking('s3:ListMultipartUploadParts', key), (client, { ListPartsCommand }) =>
          client.send(
            new ListPartsCommand({
              Bucket: this.#connection.bucket,
              Key: key,
              UploadId: id,
              ...(marker === undefined ? {} : { PartNumberMarker: marker }),
              ...this.#owner,
            }),
            { abortSignal: signal },
          ),
        )
        .catch((error: unknown) => {
          throw hasCode(error, 'OBJECT_MISSING')
            ? new TransferError('MULTIPART_GONE', error.message, { cause: error })
            : error; // some stores say NoSuchKey
        });
      for (const { PartNumber, Size, ETag, ChecksumCRC32 } of page.Parts ?? []) {
        if (PartNumber === undefined || ETag === undefined) continue;
        parts.push({ number: PartNumber, size: Size ?? 0, etag: ETag, crc32: findCrc32(ChecksumCRC32) });
      }
      more =
        page.IsTruncated === true && page.NextPartNumberMarker !== undefined && page.NextPartNumberMarker !== marker;
      marker = page.NextPartNumberMarker;
    }
    return parts;
  }

  async completeMultipart(
    { key, id }: Multipart,
    parts: readonly SentPart[],
    whole: Whole,
    onlyIfAbsent: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const withCrc32 = this.options.integrity === 'crc32';
    const crc32 = crc32ToBase64(whole.crc32);
    const answer = await this.#connection
      .call(this.#asking('s3:PutObject', key), (client, { CompleteMultipartUploadCommand }) =>
        client.send(
          new CompleteMultipartUploadCommand({
            Bucket: this.#connection.bucket,
            Key: key,
            UploadId: id,
            MpuObjectSize: whole.sizeBytes,
            ...(withCrc32 ? { ChecksumType: 'FULL_OBJECT', ChecksumCRC32: crc32 } : {}),
            ...(onlyIfAbsent ? { IfNoneMatch: '*' } : {}),
            MultipartUpload: {
              Parts: parts.map((part) => ({
                PartNumber: part.number,
                ETag: part.etag,
                ...(withCrc32 ? { ChecksumCRC32: crc32ToBase64(part.crc32) } : {}),
              })),
            },
            ...this.#owner,
          }),
          { abortSignal: signal },
        ),
      )
      .catch((error: unknown) => {
        throw asUnusable(error, key);
      });
    const kept = answer.ChecksumType === 'COMPOSITE' ? undefined : findCrc32(answer.ChecksumCRC32);
    if (kept !== undefined && kept !== whole.crc32) {
      throw new TransferError(
        'S3_DAMAGED_IN_TRANSIT',
        `S3 completed ${key} with another CRC32 (${answer.ChecksumCRC32}) than ours (${crc32})`,
      );
    }
  }

  async abortMultipart({ key, id }: Multipart, signal: AbortSignal): Promise<void> {
    await this.#connection
      .call(this.#asking('s3:AbortMultipartUpload', key), (client, { AbortMultipartUploadCommand }) =>
        client.send(
          new AbortMultipartUploadCommand({ Bucket: this.#connection.bucket, Key: key, UploadId: id, ...this.#owner }),
          { abortSignal: signal },
        ),
      )
      .catch((error: unknown) => {
        if (!hasCode(error, 'MULTIPART_GONE')) throw error;
      });
  }

  async findObject(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    try {
      const head = await this.#connection.call(this.#asking('s3:GetObject', key), (client, { HeadObjectCommand }) =>
        client.send(
          new HeadObjectCommand({ Bucket: this.#connection.bucket, Key: key, ChecksumMode: 'ENABLED', ...this.#owner }),
          { abortSignal: signal },
        ),
      );
      const metadata = head.Metadata ?? {};
      return {
        size: head.ContentLength ?? 0,
        etag: head.ETag,
        crc32: head.ChecksumType === 'COMPOSITE' ? undefined : findCrc32(head.ChecksumCRC32),
        metadataCrc32: findCrc32(metadata[METADATA.crc32]),
        uploadId: metadata[METADATA.uploadId],
      };
    } catch (error) {
      if (hasCode(error, 'OBJECT_MISSING')) return undefined;
      throw error;
    }
  }

  #asking(action: string, key: string): S3Call {
    return { action, bucket: this.#connection.bucket, key };
  }

  /** Into the same object: each copy would cost as much as a digest. */
  #withBodyHeaders(headers: Record<string, string>, body: Body): Record<string, string> {
    const { integrity, expectedBucketOwner } = this.options;
    headers['x-amz-content-sha256'] = body.sha256 ?? 'UNSIGNED-PAYLOAD';
    if (integrity === 'crc32') headers['x-amz-checksum-crc32'] = crc32ToBase64(body.crc32);
    if (body.md5 !== undefined) headers['content-md5'] = body.md5;
    if (expectedBucketOwner !== undefined) headers['x-amz-expected-bucket-owner'] = expectedBucketOwner;
    return headers;
  }
}

/** What S3 says it has stored must be what was read; a store that says nothing is believed. */
function assertKept(answer: Answer, body: Body, key: string): void {
  const kept = findCrc32(answer.headers['x-amz-checksum-crc32']);
  if (kept !== undefined && kept !== body.crc32) {
    throw new TransferError('S3_DAMAGED_IN_TRANSIT', `S3 stored ${key} with another CRC32 than was sent`);
  }
}

/** Without one it was not S3 that said 200: a proxy, a captive portal. */
function assertETag(answer: Answer, key: string): string {
  const { etag } = answer.headers;
  if (!etag)
    throw new TransferError('S3_INTERNAL', `an answer without an ETag to ${key}; something stands between here and S3`);
  return etag;
}

/** A list of parts that S3 will never accept is no reason to send it for ever: anew. */
function asUnusable(error: unknown, key: string): unknown {
  const { name = '', message = '' } = (error as { cause?: { name?: string; message?: string } }).cause ?? {};
  // InvalidRequest: the size of the whole differs (MpuObjectSize).
  const refused =
    ['InvalidPart', 'InvalidPartOrder', 'EntityTooSmall', 'BadDigest'].includes(name) ||
    (name === 'InvalidRequest' && /size/i.test(message));
  return refused || hasCode(error, 'S3_DAMAGED_IN_TRANSIT')
    ? new TransferError(
        'MULTIPART_UNUSABLE',
        `S3 cannot put ${key} together from its parts (${name}); sending it anew`,
        { cause: error },
      )
    : error;
}
