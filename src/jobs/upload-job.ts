import { readdirSync } from 'node:fs';
import type { Clock } from '../clock';
import { TransferError } from '../domain/errors';
import { printableName } from '../domain/printable-name';
import { type CollectOptions, collectFiles, discardCopies } from './collect-files';
import type { OnProgress } from './download-job';
import { findAskedFiles, findPathProblem } from './find-asked-files';
import type { JobUploads } from './job-uploads';
import type { Job, JobFileRow, JobsTable } from './jobs-table';
import { type StatusDetails, statusDetails } from './status-details';

export interface UploadJobOptions extends CollectOptions {
  readonly table: JobsTable;
  readonly uploads: JobUploads;
  /** Absolute; nothing outside of them is given away. */
  readonly roots: readonly string[];
  readonly clock: Clock;
}

/** Why a file waits is not told to us. */
const LOOK_MS = 10_000;

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
    onWaiting: (reason: string | undefined) => void,
    signal: AbortSignal,
  ): Promise<StatusDetails> {
    const { table, clock } = this.options;
    if (table.files(job).length === 0) await this.#collect(job, paths, signal);
    for (;;) {
      if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
      this.#sleeper = new AbortController();
      const rows = table.files(job);
      const { open, failures, reason } = this.#lookAt(rows);
      onProgress(bytesOf(rows.filter(({ state }) => state === 'sent')), bytesOf(rows));
      onWaiting(reason);
      if (open === 0) return this.#conclude(rows, failures);
      await clock.sleep(LOOK_MS, AbortSignal.any([this.#sleeper.signal, signal]));
    }
  }

  /** What is not delivered is not sent any more, and its copy not read. */
  async withdraw(job: Job): Promise<void> {
    const ids = this.options.table
      .files(job)
      .flatMap(({ uploadId, state }) => (state === 'wanted' ? (uploadId ?? []) : []));
    if (ids.length > 0) await this.options.uploads.withdraw(ids);
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

  #lookAt(rows: readonly JobFileRow[]): { open: number; failures: string[]; reason: string | undefined } {
    let open = 0;
    let reason: string | undefined;
    const failures: string[] = [];
    for (const { state, uploadId, source } of rows) {
      if (state === 'sent') continue;
      const upload = this.options.uploads.find(uploadId!);
      if (upload?.state === 'queued' || upload?.state === 'uploading') {
        open++;
        reason ??= upload.reason;
      } else if (upload?.state !== 'done')
        failures.push(
          `${printableName(Buffer.from(source))}: ${upload?.reason ?? 'it was written to or removed while it was sent; raise jobs.copyMaxBytes, so that a copy is sent'}`,
        );
    }
    return { open, failures, reason };
  }

  #conclude(rows: readonly JobFileRow[], failures: readonly string[]): StatusDetails {
    if (failures.length > 0)
      throw new TransferError(
        'SOURCE_MISSING',
        `${failures.length} of ${rows.length} files were not delivered; ${failures[0]}`,
      );
    return statusDetails({
      files: rows.length,
      bytes: bytesOf(rows),
      path: rows.length === 1 ? rows[0]!.source : undefined,
    });
  }
}

const bytesOf = (rows: readonly JobFileRow[]): number => rows.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
