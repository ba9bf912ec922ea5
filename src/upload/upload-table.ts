import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import type { TransferError } from '../domain/errors';
import type { Fingerprint } from '../domain/fingerprint';
import { summarizeUpload, type UploadSummary } from './present-upload';
import { type Conclusion, TRANSITIONS, type UploadState } from './transitions';
import { type Upload, type UploadRecord, uploadOf } from './upload-row';

export interface NewUpload {
  readonly outboxId: number;
  readonly path: Buffer;
  readonly sizeBytes: number;
  readonly fingerprint: Fingerprint;
  /** Given the row's number. A key that cannot be made is the row's own failure. */
  readonly keyFor: (id: number) => string | TransferError;
  readonly newestFirst: boolean;
  /** The queued row of the version this one replaces: it no longer exists on disk. */
  readonly replaces: number | undefined;
}

export interface Tally {
  readonly files: number;
  readonly bytes: number;
}

export interface TakeOptions {
  readonly outboxId: number;
  readonly newestFirst: boolean;
  readonly limit: number;
  /** Beyond so many rows, no more than so many bytes. */
  readonly atLeast: number;
  readonly limitBytes: number;
  readonly nowMs: number;
  /** Keys with an upload under way. */
  readonly busyKeys: ReadonlySet<string>;
}

/** The uploads' rows: every write is one guarded statement or one transaction, and resolves once durable. */
export class UploadTable {
  readonly #sql: Statements;
  readonly #tally: Record<UploadState, { files: number; bytes: number }>;

  constructor(
    private readonly ledger: Ledger,
    private readonly nowMs: () => number,
  ) {
    this.#sql = new Statements(ledger.db);
    this.#tally = this.#countAll();
  }

  /** How many files, and bytes, are in each state. */
  get tally(): Readonly<Record<UploadState, Tally>> {
    return this.#tally;
  }

  /** Number of the outbox with this folder; given for good at first sight. */
  async outboxId(path: string): Promise<number> {
    return this.ledger.write(() => {
      this.#sql.prepare('INSERT INTO outbox (path) VALUES (?) ON CONFLICT DO NOTHING').run(path);
      return (this.#sql.prepare('SELECT id FROM outbox WHERE path = ?').get(path) as { id: number }).id;
    });
  }

  outboxPath(id: number): string {
    return (this.#sql.prepare('SELECT path FROM outbox WHERE id = ?').get(id) as { path: string }).path;
  }

  /**
   * At start: what was under way when the process ended goes back in line; whether its outcome is unknown was marked
   * before the call. A file that had failed for good is tried anew when a person starts us again, perhaps with other
   * settings. What waits of an outbox that is no longer configured ends here: it would hold up its keys for ever.
   */
  async recover(outboxIds: readonly number[]): Promise<{ interrupted: number; retried: number; orphaned: number }> {
    const counts = await this.ledger.write(() => ({
      interrupted: this.#sql
        .prepare("UPDATE upload SET state = 'queued', run_at_ms = 0 WHERE state = 'uploading'")
        .run().changes,
      orphaned: this.#sql
        .prepare(
          `UPDATE upload SET state = 'superseded', concluded_at_ms = ?
           WHERE state = 'queued' AND outbox_id NOT IN (SELECT value FROM json_each(?))`,
        )
        .run(this.nowMs(), JSON.stringify(outboxIds)).changes,
      retried: this.#sql
        .prepare("UPDATE upload SET state = 'superseded' WHERE state = 'failed' AND error_code <> 'SOURCE_MISSING'")
        .run().changes,
    }));
    Object.assign(this.#tally, this.#countAll());
    return counts;
  }

  /** A wall clock that was ahead must not hold a file back once it is right: nobody waits longer than the longest pause. */
  async clampRunAt(latestMs: number): Promise<void> {
    const beyond = "WHERE state = 'queued' AND run_at_ms > :latestMs";
    if (this.#sql.prepare(`SELECT 1 FROM upload ${beyond} LIMIT 1`).get({ latestMs }) === undefined) return;
    await this.ledger.write(() => this.#sql.prepare(`UPDATE upload SET run_at_ms = 1 ${beyond}`).run({ latestMs }));
  }

  /** The latest version of a path. Asked for every file of every look, so no more than the answer needs. */
  findLatest(outboxId: number, path: Buffer): Pick<Upload, 'id' | 'state' | 'fingerprint' | 'errorCode'> | undefined {
    const row = this.#sql
      .prepare(
        'SELECT id, state, content, place, error_code FROM upload WHERE outbox_id = ? AND path = ? ORDER BY id DESC LIMIT 1',
      )
      .get(outboxId, path) as Pick<UploadRecord, 'id' | 'state' | 'content' | 'place' | 'error_code'> | undefined;
    if (row === undefined) return undefined;
    const { id, state, content, place, error_code } = row;
    return { id, state, fingerprint: { content, place }, errorCode: error_code ?? undefined };
  }

  find(id: number): Upload | undefined {
    return this.#find('SELECT * FROM upload WHERE id = ?', id);
  }

  /** Newest first, for a person. @param before only rows with a smaller number */
  list(state: UploadState | undefined, before: number, limit: number): Upload[] {
    const where = state === undefined ? '' : 'AND state = :state';
    return (
      this.#sql.prepare(`SELECT * FROM upload WHERE id < :before ${where} ORDER BY id DESC LIMIT :limit`).all({
        before,
        limit,
        ...(state === undefined ? {} : { state }),
      }) as UploadRecord[]
    ).map(uploadOf);
  }

  async enqueue(files: readonly NewUpload[]): Promise<void> {
    const queuedAtMs = this.nowMs();
    const moves = await this.ledger.write(() => {
      const made: [from: UploadState | undefined, to: UploadState, bytes: number][] = [];
      let id = this.#nextId();
      for (const file of files) {
        // Taken in the meantime, it is no longer ours to end: the worker will see that the file changed.
        const replaced = file.replaces !== undefined && this.#supersedeQueued(file.replaces);
        if (replaced) made.push(['queued', 'superseded', this.find(file.replaces!)!.sizeBytes]);
        made.push([undefined, this.#insert(id++, file, queuedAtMs), file.sizeBytes]);
      }
      return made;
    });
    for (const move of moves) this.#move(...move);
  }

  /** Takes rows that are due, in order, never two of one key, never a later one of a key before an earlier. */
  async take(options: TakeOptions): Promise<Upload[]> {
    const taken = await this.ledger.write(() => {
      const rows: Upload[] = [];
      for (const record of this.#selectDue(options)) {
        this.#sql.exactlyOne(
          "UPDATE upload SET state = 'uploading', attempt = attempt + 1 WHERE id = ? AND state = 'queued' AND attempt = ?",
          record.id,
          record.attempt,
        );
        rows.push({ ...uploadOf(record), state: TRANSITIONS.queued.take, attempt: record.attempt + 1 });
      }
      return rows;
    });
    for (const { sizeBytes } of taken) this.#move('queued', 'uploading', sizeBytes);
    return taken;
  }

  /** When the next deferred row becomes due that is not by `afterMs`, Unix milliseconds. */
  nextRunAtMs(afterMs: number): number | undefined {
    const row = this.#sql
      .prepare("SELECT MIN(run_at_ms) AS at FROM upload WHERE state = 'queued' AND run_at_ms > 0 AND run_at_ms > ?")
      .get(afterMs) as { at: number | null };
    return row.at ?? undefined;
  }

  /** Files that wait for another attempt after failures of their own, and the one that has failed most. */
  retrying(): { files: number; worst: UploadSummary | undefined } {
    const where = "WHERE state = 'queued' AND run_at_ms > 0 AND failures > 0";
    const { files } = this.#sql.prepare(`SELECT COUNT(*) AS files FROM upload ${where}`).get() as { files: number };
    const worst = files === 0 ? undefined : this.#find(`SELECT * FROM upload ${where} ORDER BY failures DESC LIMIT 1`);
    return { files, worst: worst && summarizeUpload(worst) };
  }

  /** Before a call whose lost answer could be mistaken later: durable before the call. */
  async markAttempted({ id, attempt }: Upload): Promise<void> {
    await this.#guarded('SET outcome_unknown = 1', { id, attempt });
  }

  async startMultipart({ id, attempt }: Upload, multipartId: string): Promise<void> {
    await this.#guarded('SET multipart_id = :multipartId', { id, attempt, multipartId });
  }

  /** The object goes to another key: committed before anything is sent there. */
  async rename({ id, attempt }: Upload, objectKey: string, originalKey: string): Promise<void> {
    await this.#guarded(
      'SET object_key = :objectKey, original_key = :originalKey, renames = renames + 1, outcome_unknown = 0, multipart_id = NULL',
      { id, attempt, objectKey, originalKey },
      () => this.#forgetParts(id),
    );
  }

  /** The multipart upload is gone or unusable: from the first byte again, within the same attempt. */
  async forgetMultipart({ id, attempt }: Upload): Promise<void> {
    await this.#guarded('SET multipart_id = NULL', { id, attempt }, () => this.#forgetParts(id));
  }

  async keepFingerprint({ id, attempt }: Upload, { content, place }: Fingerprint): Promise<void> {
    await this.#guarded('SET content = :content, place = :place', { id, attempt, content, place });
  }

  async complete(
    { id, attempt, sizeBytes, multipartId }: Upload,
    outcome: 'delivered' | 'skipped',
    crc32: number | undefined,
  ): Promise<void> {
    await this.#guarded(
      `SET state = 'done', outcome = :outcome, crc32 = :crc32, multipart_id = NULL, error_code = NULL, error_message = NULL,
       concluded_at_ms = :nowMs`,
      { id, attempt, outcome, crc32: crc32 ?? null, nowMs: this.nowMs() },
      multipartId === undefined ? undefined : () => this.#forgetParts(id),
    );
    this.#move('uploading', TRANSITIONS.uploading.complete, sizeBytes);
  }

  /** Ends an attempt that did not deliver. `upload` as it is now: renamed, and its outcome unknown, where the attempt made it so. */
  async conclude(
    { id, attempt, sizeBytes, outcomeUnknown }: Upload,
    conclusion: Conclusion,
    error: TransferError,
  ): Promise<void> {
    const to = TRANSITIONS.uploading[conclusion.event];
    const unknown = outcomeUnknown ? 1 : 0;
    if (conclusion.event === 'release') {
      // No failure, and run_at_ms as it was: the file keeps its place in line.
      await this.#guarded('SET state = :to, outcome_unknown = :unknown', { id, attempt, to, unknown });
    } else {
      const deferred = 'runAtMs' in conclusion;
      await this.#guarded(
        `SET state = :to, outcome_unknown = :unknown, run_at_ms = :runAtMs, failures = failures + :charged,
         error_code = :code, error_message = :message, concluded_at_ms = :concludedAtMs`,
        {
          id,
          attempt,
          to,
          unknown,
          runAtMs: deferred ? conclusion.runAtMs : 0,
          charged: deferred && conclusion.charged ? 1 : 0,
          code: error.code,
          message: error.message.slice(0, 1_000),
          concludedAtMs: deferred ? null : this.nowMs(),
        },
      );
    }
    this.#move('uploading', to, sizeBytes);
  }

  /** Superseded rows whose multipart upload was not aborted yet: it costs money until it is. */
  orphanedMultiparts(): Upload[] {
    return (
      this.#sql
        .prepare("SELECT * FROM upload WHERE state IN ('superseded', 'failed') AND multipart_id IS NOT NULL")
        .all() as UploadRecord[]
    ).map(uploadOf);
  }

  async forgetOrphan(id: number): Promise<void> {
    await this.ledger.write(() => {
      this.#sql.exactlyOne(
        "UPDATE upload SET multipart_id = NULL WHERE id = ? AND state IN ('superseded', 'failed')",
        id,
      );
      this.#forgetParts(id);
    });
  }

  #selectDue({ outboxId, newestFirst, nowMs, busyKeys, limit, atLeast, limitBytes }: TakeOptions): UploadRecord[] {
    const due = this.#sql
      .prepare(
        `SELECT * FROM upload AS u
         WHERE state = 'queued' AND outbox_id = ? AND run_at_ms <= ?
           AND NOT EXISTS (
             SELECT 1 FROM upload AS earlier
             WHERE earlier.object_key = u.object_key AND earlier.id < u.id
               AND earlier.state = 'queued' AND (earlier.attempt > 0 OR earlier.newest_first = 1))
         ORDER BY id ${newestFirst ? 'DESC' : 'ASC'}`,
      )
      .iterate(outboxId, nowMs) as IterableIterator<UploadRecord>;
    const keys = new Set(busyKeys);
    const records: UploadRecord[] = [];
    let bytes = 0;
    for (const record of due) {
      if (records.length >= limit || (records.length >= atLeast && bytes >= limitBytes)) break;
      if (keys.has(record.object_key)) continue;
      keys.add(record.object_key);
      records.push(record);
      bytes += record.size_bytes;
    }
    return records;
  }

  #nextId(): number {
    const row = this.#sql.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'upload'").get() as
      | { seq: number }
      | undefined;
    return (row?.seq ?? 0) + 1;
  }

  /** @returns the state it starts in */
  #insert(id: number, file: NewUpload, queuedAtMs: number): 'queued' | 'failed' {
    const key = file.keyFor(id);
    const failure = typeof key === 'string' ? undefined : key;
    const state = failure === undefined ? 'queued' : 'failed';
    this.#sql.exactlyOne(
      `INSERT INTO upload (id, outbox_id, path, size_bytes, content, place, object_key, newest_first, state, error_code,
         error_message, queued_at_ms, concluded_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      file.outboxId,
      file.path,
      file.sizeBytes,
      file.fingerprint.content,
      file.fingerprint.place,
      typeof key === 'string' ? key : '',
      file.newestFirst ? 1 : 0,
      state,
      failure?.code ?? null,
      failure?.message ?? null,
      queuedAtMs,
      failure === undefined ? null : queuedAtMs,
    );
    return state;
  }

  #supersedeQueued(id: number): boolean {
    const sql = "UPDATE upload SET state = 'superseded', concluded_at_ms = ? WHERE id = ? AND state = 'queued'";
    return this.#sql.prepare(sql).run(this.nowMs(), id).changes === 1;
  }

  #forgetParts(id: number): void {
    this.#sql.prepare('DELETE FROM part WHERE upload_id = ?').run(id);
  }

  /** Only the attempt that holds the row may write it. */
  async #guarded(
    set: string,
    values: { id: number; attempt: number; [name: string]: unknown },
    also?: () => void,
  ): Promise<void> {
    await this.ledger.write(() => {
      this.#sql.exactlyOne(
        `UPDATE upload ${set} WHERE id = :id AND state = 'uploading' AND attempt = :attempt`,
        values,
      );
      also?.();
    });
  }

  #find(sql: string, ...values: unknown[]): Upload | undefined {
    const record = this.#sql.prepare(sql).get(...values) as UploadRecord | undefined;
    return record && uploadOf(record);
  }

  #move(from: UploadState | undefined, to: UploadState, bytes: number): void {
    if (from !== undefined) {
      this.#tally[from].files -= 1;
      this.#tally[from].bytes -= bytes;
    }
    this.#tally[to].files += 1;
    this.#tally[to].bytes += bytes;
  }

  #countAll(): Record<UploadState, { files: number; bytes: number }> {
    const tally = Object.fromEntries(
      Object.keys(TRANSITIONS).map((state) => [state, { files: 0, bytes: 0 }]),
    ) as Record<UploadState, { files: number; bytes: number }>;
    const rows = this.#sql
      .prepare('SELECT state, COUNT(*) AS files, SUM(size_bytes) AS bytes FROM upload GROUP BY state')
      .all() as {
      state: UploadState;
      files: number;
      bytes: number;
    }[];
    for (const { state, files, bytes } of rows) tally[state] = { files, bytes };
    return tally;
  }
}
