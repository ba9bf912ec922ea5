import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import type { JobFile, Unpack } from './job-document';
import type { JobExecution } from './job-execution';
import type { StatusDetails } from './status-details';
import { type JobEnd, type JobEvent, type JobState, TRANSITIONS } from './transitions';

/** One execution of a job on this thing, as the ledger has it. */
export interface Job {
  readonly id: number;
  readonly jobId: string;
  readonly executionNumber: number;
  /** Unix seconds; tells it from another one of the same id and number. */
  readonly queuedAt: number;
  readonly versionNumber: number;
  readonly state: JobState;
  readonly status: JobEnd | undefined;
  readonly details: StatusDetails;
  readonly outcome: string | undefined;
}

/** What a job brings or takes. */
export interface JobFileRow {
  readonly number: number;
  readonly source: string;
  readonly path: string;
  readonly unpack: Unpack;
  readonly state: 'wanted' | 'staged' | 'sent';
  readonly etag: string | undefined;
  readonly md5: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly durableBytes: number;
  readonly bootId: string | undefined;
  readonly verified: string | undefined;
  readonly inode: string | undefined;
  readonly uploadId: number | undefined;
}

interface JobRecord {
  readonly id: number;
  readonly job_id: string;
  readonly execution_number: number;
  readonly queued_at: number;
  readonly version_number: number;
  readonly state: JobState;
  readonly status: JobEnd | null;
  readonly details: string | null;
  readonly outcome: string | null;
}

interface FileRecord {
  readonly number: number;
  readonly source: string;
  readonly path: string;
  readonly unpack: Unpack;
  readonly state: JobFileRow['state'];
  readonly etag: string | null;
  readonly md5: string | null;
  readonly size_bytes: number | null;
  readonly durable_bytes: number;
  readonly boot_id: string | null;
  readonly verified: string | null;
  readonly inode: string | null;
  readonly upload_id: number | null;
}

export type FileNotes = Partial<Omit<FileRecord, 'number' | 'source' | 'path' | 'unpack'>>;

const OPEN = "state <> 'over'";

/** The jobs' rows: every write is guarded by the state it starts from, and resolves once durable. */
export class JobsTable {
  readonly #sql: Statements;

  constructor(
    private readonly ledger: Ledger,
    private readonly nowMs: () => number,
  ) {
    this.#sql = new Statements(ledger.db);
  }

  /** Those not over, oldest first. */
  open(): Job[] {
    return (this.#sql.prepare(`SELECT * FROM job WHERE ${OPEN} ORDER BY id`).all() as JobRecord[]).map(jobOf);
  }

  /** The latest, newest first. */
  latest(limit: number): Job[] {
    return (this.#sql.prepare('SELECT * FROM job ORDER BY id DESC LIMIT ?').all(limit) as JobRecord[]).map(jobOf);
  }

  /** The row of an execution, made at first sight. */
  async begin({ jobId, executionNumber, queuedAt, versionNumber }: JobExecution): Promise<Job> {
    const known = this.#find(jobId);
    if (known?.execution_number === executionNumber && known.queued_at === queuedAt) return jobOf(known);
    return this.ledger.write(() => {
      this.#sql.exactlyOne(
        `INSERT INTO job (job_id, execution_number, queued_at, version_number, state, begun_at_ms)
         VALUES (?, ?, ?, ?, 'running', ?)`,
        jobId,
        executionNumber,
        queuedAt,
        versionNumber,
        this.nowMs(),
      );
      return jobOf(this.#find(jobId)!);
    });
  }

  /** One step of the row's life. @returns the row as it is now */
  async step(
    job: Job,
    event: JobEvent,
    notes: { readonly status?: JobEnd; readonly details?: StatusDetails; readonly outcome?: string } = {},
  ): Promise<Job> {
    return this.ledger.write(() => this.#move(job, event, notes));
  }

  files(job: Job): JobFileRow[] {
    return (this.#sql.prepare('SELECT * FROM job_file WHERE job = ? ORDER BY number').all(job.id) as FileRecord[]).map(
      fileOf,
    );
  }

  /** The file of that number, from nothing where the ledger knows another one. */
  async file(job: Job, number: number, { source, path, unpack }: JobFile): Promise<JobFileRow> {
    const known = this.#findFile(job.id, number);
    if (known?.source === source && known.path === path && known.unpack === unpack) return fileOf(known);
    return this.ledger.write(() => {
      this.#sql
        .prepare(
          "INSERT OR REPLACE INTO job_file (job, number, source, path, unpack, state) VALUES (?, ?, ?, ?, ?, 'wanted')",
        )
        .run(job.id, number, source, path, unpack);
      return fileOf(this.#findFile(job.id, number)!);
    });
  }

  /** How many files a job sends, and the rows of those that are not known to be delivered. */
  uploads(job: Job): { readonly bytes: number; readonly sentBytes: number; readonly unsent: readonly number[] } {
    const sums = this.#sql
      .prepare(
        `SELECT coalesce(SUM(size_bytes), 0) AS bytes,
           coalesce(SUM(size_bytes) FILTER (WHERE state = 'sent'), 0) AS sentBytes FROM job_file WHERE job = ?`,
      )
      .get(job.id) as { bytes: number; sentBytes: number };
    const rows = this.#sql
      .prepare("SELECT upload_id AS id FROM job_file WHERE job = ? AND state <> 'sent' AND upload_id IS NOT NULL")
      .all(job.id) as { id: number }[];
    return { ...sums, unsent: rows.map(({ id }) => id) };
  }

  /** Inside the transaction that queues its upload. */
  addUpload(job: Job, number: number, source: string, sizeBytes: number, uploadId: number): void {
    this.#sql.exactlyOne(
      `INSERT INTO job_file (job, number, source, path, unpack, state, size_bytes, upload_id)
       VALUES (?, ?, ?, '', 'none', 'wanted', ?, ?)`,
      job.id,
      number,
      source,
      sizeBytes,
      uploadId,
    );
  }

  async note(job: Job, file: JobFileRow, notes: FileNotes): Promise<JobFileRow> {
    const set = Object.keys(notes)
      .map((name) => `${name} = :${name}`)
      .join(', ');
    const { number } = file;
    return this.ledger.write(() => {
      this.#sql.exactlyOne(`UPDATE job_file SET ${set} WHERE job = :job AND number = :number`, {
        ...notes,
        job: job.id,
        number,
      });
      return fileOf(this.#findFile(job.id, number)!);
    });
  }

  /** Inside the transaction that ends the upload: its row may be forgotten before anybody looks. */
  noteSent(uploadId: number): void {
    this.#sql.prepare("UPDATE job_file SET state = 'sent' WHERE upload_id = ?").run(uploadId);
  }

  /** Those over beyond so many are forgotten, but never the last of an id: it tells whether an execution is known. */
  async prune(keep: number): Promise<void> {
    const beyond = `FROM job WHERE state = 'over' AND id <= (SELECT MAX(id) FROM job) - ?`;
    if (this.#sql.prepare(`SELECT 1 ${beyond} LIMIT 1`).get(keep) === undefined) return;
    await this.ledger.write(() => this.#sql.prepare(`DELETE ${beyond}`).run(keep));
  }

  #findFile(job: number, number: number): FileRecord | undefined {
    return this.#sql.prepare('SELECT * FROM job_file WHERE job = ? AND number = ?').get(job, number) as
      | FileRecord
      | undefined;
  }

  #find(jobId: string): JobRecord | undefined {
    return this.#sql.prepare('SELECT * FROM job WHERE job_id = ? ORDER BY id DESC LIMIT 1').get(jobId) as
      | JobRecord
      | undefined;
  }

  #move(
    job: Job,
    event: JobEvent,
    { status, details, outcome }: { status?: JobEnd; details?: StatusDetails; outcome?: string },
  ): Job {
    const to = (TRANSITIONS[job.state] as Partial<Record<JobEvent, JobState>>)[event];
    if (to === undefined) throw new Error(`a job that is ${job.state} cannot ${event}`);
    this.#sql.exactlyOne(
      `UPDATE job SET state = :to, status = coalesce(:status, status), details = coalesce(:details, details),
         outcome = coalesce(:outcome, outcome), concluded_at_ms = CASE WHEN :to = 'over' THEN :nowMs END
       WHERE id = :id AND state = :was`,
      {
        to,
        status: status ?? null,
        details: details === undefined ? null : JSON.stringify(details),
        outcome: outcome ?? status ?? null,
        nowMs: this.nowMs(),
        id: job.id,
        was: job.state,
      },
    );
    // What a job that is over has brought is in its folder, and its rows say nothing more.
    if (to === 'over') this.#sql.prepare('DELETE FROM job_file WHERE job = ?').run(job.id);
    return jobOf(this.#sql.prepare('SELECT * FROM job WHERE id = ?').get(job.id) as JobRecord);
  }
}

const jobOf = (record: JobRecord): Job => ({
  id: record.id,
  jobId: record.job_id,
  executionNumber: record.execution_number,
  queuedAt: record.queued_at,
  versionNumber: record.version_number,
  state: record.state,
  status: record.status ?? undefined,
  details: record.details === null ? {} : (JSON.parse(record.details) as StatusDetails),
  outcome: record.outcome ?? undefined,
});

const fileOf = (record: FileRecord): JobFileRow => ({
  number: record.number,
  source: record.source,
  path: record.path,
  unpack: record.unpack,
  state: record.state,
  etag: record.etag ?? undefined,
  md5: record.md5 ?? undefined,
  sizeBytes: record.size_bytes ?? undefined,
  durableBytes: record.durable_bytes,
  bootId: record.boot_id ?? undefined,
  verified: record.verified ?? undefined,
  inode: record.inode ?? undefined,
  uploadId: record.upload_id ?? undefined,
});
