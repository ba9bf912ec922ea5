import { TransferError } from '../domain/errors';
import { type FetchSources, fetchStaged, type Renew } from './fetch-staged';
import type { JobFile } from './job-document';
import type { Job, JobFileRow } from './jobs-table';
import { landStaged, planLanding } from './land-staged';
import { Staging } from './staging';
import { type StatusDetails, statusDetails } from './status-details';
import { unpackTar } from './unpack-tar';
import { unpackZip } from './unpack-zip';
import { UnpackedFolder } from './unpacked-folder';

export interface DownloadOptions extends FetchSources {
  /** Absolute; files land below it. */
  readonly folder: string;
  readonly unpackMaxBytes: number;
}

/** Told as files come: both of all files together, as far as known. */
export type OnProgress = (doneBytes: number, totalBytes: number) => void;

const MAX_UNPACKED_FILES = 20_000;

/** Brings a job's files: all of them are staged, verified and on disk before the first gets its name. */
export class DownloadJob {
  constructor(private readonly options: DownloadOptions) {}

  /**
   * Up to where every file may get its name, whatever happens: the rest needs neither the cloud nor the document.
   * @throws TransferError
   */
  async stage(
    job: Job,
    files: readonly JobFile[],
    renew: Renew,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Job> {
    const { folder, table } = this.options;
    const staging = Staging.open(folder, job.id);
    try {
      const rows = await this.#fetch(job, files, staging, renew, onProgress, signal);
      const archives = rows.filter(({ unpack }) => unpack !== 'none');
      for (const row of archives) await this.#unpack(row, staging, signal);
      const details = describe(rows, planLanding(folder, rows, staging));
      await staging.sync(archives.length > 0);
      return await table.step(job, 'stage', { details });
    } finally {
      staging.close();
    }
  }

  /** Gives the names. May be repeated. @param isResumed it was begun before, perhaps @returns false when a staged file is lost: it is to be staged anew */
  async land(job: Job, isResumed: boolean): Promise<boolean> {
    const { folder, table } = this.options;
    const staging = Staging.open(folder, job.id);
    try {
      return await landStaged(folder, table.files(job), staging, isResumed);
    } finally {
      staging.close();
    }
  }

  /** Once nothing is left to land. */
  discard(job: Job): void {
    Staging.discard(this.options.folder, job.id);
  }

  async #fetch(
    job: Job,
    files: readonly JobFile[],
    staging: Staging,
    renew: Renew,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<JobFileRow[]> {
    const rows: JobFileRow[] = [];
    let known = files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0);
    let done = 0;
    for (const [number, file] of files.entries()) {
      const on = {
        size: (bytes: number) => {
          known += bytes - (file.sizeBytes ?? 0);
        },
        bytes: (bytes: number) => {
          done += bytes;
          onProgress(done, known);
        },
      };
      rows.push(await fetchStaged(this.options, job, number, file, staging, renew, on, signal));
    }
    return rows;
  }

  async #unpack({ number, unpack }: JobFileRow, staging: Staging, signal: AbortSignal): Promise<void> {
    const limits = { maxBytes: this.options.unpackMaxBytes, maxFiles: MAX_UNPACKED_FILES };
    const tree = staging.makeTree(number);
    try {
      const into = new UnpackedFolder(tree, limits, staging.defaultMode, signal);
      const file = staging.file(number).toString();
      if (unpack === 'zip') await unpackZip(file, into);
      else await unpackTar(file, into);
      if (into.files === 0) throw new TransferError('ARCHIVE_REFUSED', 'the archive holds no file; pack it anew');
    } finally {
      tree.close();
    }
  }
}

function describe(rows: readonly JobFileRow[], landed: number): StatusDetails {
  const bytes = rows.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
  const unverified = rows.filter(({ verified }) => verified === 'length').length;
  return statusDetails({
    files: landed,
    bytes,
    path: rows.length === 1 ? rows[0]!.path : undefined,
    verified: unverified === 0 ? [...new Set(rows.map(({ verified }) => verified))].join(' ') : undefined,
    unverified:
      unverified === 0 ? undefined : `${unverified} of ${rows.length} by length alone; put sha256 into the document`,
  });
}
