import { readdirSync } from 'node:fs';
import type { Clock } from '../clock';
import { TransferError } from '../domain/errors';
import { printableName } from '../domain/printable-name';
import { type CollectOptions, collectFiles, discardCopies } from './collect-files';
import type { OnProgress } from './download-job';
import { findAskedFiles, findPathProblem } from './find-asked-files';
import type { JobUploads } from './job-uploads';
import type { Job, JobFileRow, JobsTable } from './jobs-table';
import { judgeUploads } from './judge-uploads';
import { type StatusDetails, statusDetails } from './status-details';

export interface UploadJobOptions extends CollectOptions {
  readonly table: JobsTable;
  readonly uploads: JobUploads;
  /** Absolute; nothing outside of them is given away. */
  readonly roots: readonly string[];
  readonly clock: Clock;
}

/**
 * Told at each look. @param problem what keeps a file @param isStuck nothing of the job goes because of it
 * @throws when that is to end it
 */
export type OnWaiting = (problem: TransferError | undefined, isStuck: boolean) => void;

/** Why a file waits is not told to us. */
const LOOK_MS = 10_000;
/** While more than a few are open, they are not looked at for each that ends. */
const FEW = 32;
const REST_MS = 1_000;
const CHANGED = 'it was written to or removed while it was sent; raise jobs.copyMaxBytes, so that a copy is sent';

/** Sends files that a job asks for: copied as they are at that moment, and queued like any other file. */
export class UploadJob {
  #sleeper = new AbortController();

  constructor(private readonly options: UploadJobOptions) {}

  findProblem(paths: readonly string[]): string | undefined {
    for (const path of paths) {
      const problem = findPathProblem(path, this.options.roots);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Upload rows have ended, perhaps ours. */
  wake(): void {
    this.#sleeper.abort();
  }

  /** @returns what the cloud is told, when all are delivered @throws TransferError */
  async run(
    job: Job,
    paths: readonly string[],
    onProgress: OnProgress,
    onWaiting: OnWaiting,
    signal: AbortSignal,
  ): Promise<StatusDetails> {
    const { table, uploads, clock } = this.options;
    if (table.files(job).length === 0) await this.#collect(job, paths, signal);
    for (;;) {
      if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
      this.#sleeper = new AbortController();
      const { bytes, sentBytes, unsent } = table.uploads(job);
      const { open, partBytes } = uploads.look(unsent);
      const { files, problem, isStuck } = judgeUploads(open);
      onProgress(sentBytes + partBytes, bytes);
      if (files === 0) return this.#conclude(table.files(job));
      onWaiting(problem, isStuck);
      if (files > FEW) await clock.sleep(REST_MS, signal);
      await clock.sleep(LOOK_MS, AbortSignal.any([this.#sleeper.signal, signal]));
    }
  }

  /** What is not delivered is not sent any more, and its copy not read. @param isUnwanted what has failed is no failure either */
  async withdraw(job: Job, isUnwanted: boolean): Promise<void> {
    const { table, uploads } = this.options;
    const { unsent } = table.uploads(job);
    const ids = isUnwanted ? unsent : unsent.filter((id) => uploads.find(id)?.state !== 'failed');
    if (ids.length > 0) await uploads.withdraw(ids);
  }

  discard(job: Job): void {
    discardCopies(this.options.copyFolder, job.id);
  }

  /** Copies of jobs that nobody remembers. */
  sweep(jobs: readonly number[]): void {
    const { copyFolder } = this.options;
    let names: string[] = [];
    try {
      names = readdirSync(copyFolder);
    } catch {
      return; // there never were any
    }
    for (const name of names) if (!jobs.includes(Number(name))) discardCopies(copyFolder, Number(name));
  }

  async #collect(job: Job, paths: readonly string[], signal: AbortSignal): Promise<void> {
    const { table, uploads, roots } = this.options;
    const asked = await findAskedFiles(paths, roots, signal);
    const files = await collectFiles(asked, job.id, job.jobId, this.options, signal);
    if (files.length === 0)
      throw new TransferError('SOURCE_MISSING', 'all files that were asked for have gone in the meantime; ask again');
    await uploads.enqueue(files, (index, uploadId) => {
      const { keyPath, stats } = files[index]!;
      table.addUpload(job, index, keyPath.slice(job.jobId.length), Number(stats.size), uploadId);
    });
  }

  /** None of them is open. */
  #conclude(rows: readonly JobFileRow[]): StatusDetails {
    const lost = rows.filter(({ state }) => state !== 'sent');
    if (lost.length > 0) {
      const { source, uploadId } = lost[0]!;
      const { reason = CHANGED } = this.options.uploads.find(uploadId!) ?? {};
      throw new TransferError(
        'SOURCE_MISSING',
        `${lost.length} of ${rows.length} files were not delivered; ${printableName(Buffer.from(source))}: ${reason}`,
      );
    }
    return statusDetails({
      files: rows.length,
      bytes: bytesOf(rows),
      path: rows.length === 1 ? rows[0]!.source : undefined,
    });
  }
}

const bytesOf = (rows: readonly JobFileRow[]): number => rows.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
