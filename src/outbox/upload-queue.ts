import type { Fingerprint } from '../domain/fingerprint';

/** A version of a file that is to be uploaded. */
export interface QueuedFile {
  readonly path: Buffer;
  /** Of the spool; undefined: it lies in the outbox itself. */
  readonly batch: number | undefined;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly fingerprint: Fingerprint;
  /** The queued row of a version that no longer exists. */
  readonly replaces: number | undefined;
  /**
   * Whether a newer version of the path was queued before it, which it must not go over. Asked when the row is made, with
   * all rows before it in view: the newer one may be on its way into the ledger.
   */
  readonly isLate: () => boolean;
  /** For a person, where something is odd about it. */
  readonly note: string | undefined;
}

/** A row of the ledger as the outbox sees it. */
export interface KnownUpload {
  readonly id: number;
  readonly path: Buffer;
  readonly batch: number | undefined;
  readonly state: 'queued' | 'uploading' | 'failed' | 'superseded' | 'done';
  readonly sizeBytes: number;
  readonly fingerprint: Fingerprint;
  /** Why it failed, where it did. */
  readonly errorCode: string | undefined;
}

/** Where found files go; handed in by the composition root. */
export interface UploadQueue {
  find(id: number): KnownUpload | undefined;
  /** The latest row of a path, wherever its file lies. */
  findLatest(path: Buffer): KnownUpload | undefined;
  /** The latest row of a file in a batch. */
  findInBatch(batch: number, path: Buffer): KnownUpload | undefined;
  /** The latest row of a path whose file was claimed before this batch. */
  findBeforeBatch(batch: number, path: Buffer): KnownUpload | undefined;
  /** All batches up to this one have had their rows. */
  lastBatch(): number;
  /** In this order, which is gone through as often as it takes. Resolves once durable. */
  enqueue(files: Iterable<QueuedFile>): Promise<void>;
}
