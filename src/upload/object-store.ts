import type { Body } from './body';
import type { ObjectAttributes } from './object-attributes';
import type { Part, SentPart } from './part-plan';

export interface Multipart {
  readonly key: string;
  readonly id: string;
}

/** What S3 says it holds under a key. A field is undefined where the engine keeps none. */
export interface ObjectInfo {
  readonly size: number;
  readonly etag: string | undefined;
  /** CRC32 of the whole object, as S3 computed it. */
  readonly crc32: number | undefined;
  /** CRC32 that we wrote into the metadata of a single PUT. */
  readonly metadataCrc32: number | undefined;
  /** Our id of the upload that made this object. */
  readonly uploadId: string | undefined;
}

/** A part S3 already holds: what ListParts tells. */
export interface ListedPart {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly crc32: number | undefined;
}

export interface Whole {
  readonly sizeBytes: number;
  readonly crc32: number;
}

/** Which digests a body must carry for this store, beside its CRC32. */
export interface DigestNeeds {
  readonly md5: boolean;
  readonly sha256: boolean;
}

/**
 * Where outbox files end up: S3, or a store that speaks its language. Implementations translate every error to
 * TransferError at this boundary; the contract suite under `test/contract/` is the definition of correct.
 * Each call may be repeated with the same arguments without harm.
 */
export interface ObjectStore {
  readonly digestNeeds: DigestNeeds;
  /**
   * @param onlyIfAbsent sends `If-None-Match: *`
   * @throws TransferError PRECONDITION_FAILED when the key exists: possibly by our own earlier attempt
   */
  putObject(attributes: ObjectAttributes, body: Body, onlyIfAbsent: boolean, signal: AbortSignal): Promise<void>;
  /** @returns the upload id */
  createMultipart(attributes: ObjectAttributes, signal: AbortSignal): Promise<string>;
  /** @returns the ETag @throws TransferError MULTIPART_GONE when it was completed, aborted or expired */
  uploadPart(upload: Multipart, part: Part, body: Body, signal: AbortSignal): Promise<string>;
  /** All pages. @throws TransferError MULTIPART_GONE, ACCESS_DENIED (needs s3:ListMultipartUploadParts) */
  listParts(upload: Multipart, signal: AbortSignal): Promise<ListedPart[]>;
  /** @throws TransferError MULTIPART_GONE, PRECONDITION_FAILED, CONFLICT, MULTIPART_UNUSABLE (parts, size or checksum differ) */
  completeMultipart(
    upload: Multipart,
    parts: readonly SentPart[],
    whole: Whole,
    onlyIfAbsent: boolean,
    signal: AbortSignal,
  ): Promise<void>;
  /** Also succeeds when the upload is already gone. @throws TransferError ACCESS_DENIED (needs s3:AbortMultipartUpload) */
  abortMultipart(upload: Multipart, signal: AbortSignal): Promise<void>;
  /** HEAD. @throws TransferError ACCESS_DENIED (needs s3:GetObject; without s3:ListBucket also for a missing key) */
  findObject(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined>;
}
