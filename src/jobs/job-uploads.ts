import type { BigIntStats } from 'node:fs';
import type { TransferError } from '../domain/errors';

/** A file that a job asks for. */
export interface CollectedFile {
  /** Folder that `path` is below: the copies', or one of the roots. */
  readonly root: string;
  readonly path: Buffer;
  /** For its key: the job's id, and its path on the device. */
  readonly keyPath: string;
  /** Of what will be sent. */
  readonly stats: BigIntStats;
}

export interface QueuedUpload {
  readonly state: 'queued' | 'uploading' | 'failed' | 'superseded' | 'done';
  /** Why it has failed, or waits. */
  readonly reason: string | undefined;
}

/** Files not ended that one thing keeps, or none. */
export interface OpenUploads {
  readonly state: 'queued' | 'uploading';
  readonly files: number;
  /** Why the last attempt of them failed. */
  readonly problem: TransferError | undefined;
}

/** The way up, as jobs use it; handed in by the composition root. */
export interface JobUploads {
  /** All in one commit. @param onRow inside it: the number of each file's row */
  enqueue(files: readonly CollectedFile[], onRow: (index: number, uploadId: number) => void): Promise<void>;
  /** Those of them that are not ended, and bytes of these that S3 has in parts. */
  look(uploadIds: readonly number[]): { readonly open: readonly OpenUploads[]; readonly partBytes: number };
  /** @returns undefined when it is forgotten */
  find(uploadId: number): QueuedUpload | undefined;
  /**
   * They are not sent any more, those under way are cut off; on return none of them is open, nor its file read.
   * What has failed is shown no more.
   */
  withdraw(uploadIds: readonly number[]): Promise<void>;
}
