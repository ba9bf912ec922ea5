import type { RemoteFile, RemoteVersion } from '../download/remote-object';

/** An object as a listing tells of it. */
export interface ListedObject {
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
}

/** One version of an object, and what its metadata says of the file it was. */
export interface RemoteObject extends RemoteVersion {
  /** Unix milliseconds. */
  readonly mtimeMs: number | undefined;
  /** Permissions, as in 0o644. */
  readonly mode: number | undefined;
}

/**
 * The bucket as files come down from it. Implementations translate every error to TransferError; each call may be
 * repeated with the same arguments without harm.
 */
export interface InboxStore {
  /** All pages. @throws TransferError ACCESS_DENIED (needs s3:ListBucket) */
  list(prefix: string, signal: AbortSignal): AsyncIterable<readonly ListedObject[]>;
  /**
   * HEAD, and a listing where that is denied. @returns undefined when there is none
   * @throws TransferError ACCESS_DENIED (needs s3:GetObject), OBJECT_UNSEEN (or there is none: without s3:ListBucket
   * nobody says)
   */
  find(key: string, signal: AbortSignal): Promise<RemoteObject | undefined>;
  /**
   * GET with If-None-Match. @returns the ETag of what is there unless it is `known`; undefined when there is none
   * @throws TransferError OBJECT_UNSEEN
   */
  findOther(key: string, known: string | undefined, signal: AbortSignal): Promise<string | 'same' | undefined>;
  /** @param key of the version that is fetched */
  file(key: string): RemoteFile;
  /**
   * Copies exactly this version, tags where that is permitted.
   * @param onlyIfAbsent where the store can be asked that; else who asks has looked before
   * @throws TransferError OBJECT_CHANGED, OBJECT_MISSING, ACCESS_DENIED (needs s3:PutObject), PRECONDITION_FAILED when
   * something is there: possibly by our own earlier attempt
   */
  copy(key: string, version: RemoteVersion, to: string, onlyIfAbsent: boolean, signal: AbortSignal): Promise<void>;
  /** Also succeeds when it is gone. @throws TransferError OBJECT_CHANGED, ACCESS_DENIED (needs s3:DeleteObject) */
  remove(key: string, etag: string, signal: AbortSignal): Promise<void>;
}
