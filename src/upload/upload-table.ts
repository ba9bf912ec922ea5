import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import type { TransferError } from '../domain/errors';
import type { Fingerprint } from '../domain/fingerprint';
import { selectDue, type TakeOptions } from './select-due';
import { type Conclusion, TRANSITIONS, type UploadState } from './transitions';
import { type Upload, uploadOf } from './upload-row';
import { type Tally, UploadTally } from './upload-tally';
import { UploadVersions } from './upload-versions';

export interface NewUpload {
  readonly outboxId: number;
  readonly path: Buffer;
  readonly batch: number | undefined;
  readonly note: string | undefined;
  readonly sizeBytes: number;
  readonly fingerprint: Fingerprint;
  /** Given the row's number. A key that cannot be made is the row's own failure. */
  readonly keyFor: (id: number) => string | TransferError;
  readonly newestFirst: boolean;
  /** The queued row of the version this one replaces: it no longer exists on disk. */
  readonly replaces: number | undefined;
  /** In the transaction that makes the row. */
  readonly onInserted?: (id: number) => void;
}

/** The uploads' rows: every write is one guarded statement or one transaction, and resolves once durable. */
export class UploadTable {
  readonly #sql: Statements;
  readonly #tally: UploadTally;
  readonly versions: UploadVersions;

  constructor(
    private readonly ledger: Ledger,
    private readonly nowMs: () => number,
    /** A multipart upload was left that S3 may still hold: somebody has to abort it. */
    private readonly onOrphan: () => void,
    /** In the transaction that ends a row as done: what is to be told of it is stored with it. */
    private readonly onDone?: (row: Upload, outcome: 'delivered' | 'skipped') => void,
  ) {
    this.#sql = new Statements(ledger.db);
    this.#tally = new UploadTally(ledger);
    this.versions = new UploadVersions(ledger);
  }

  /** How many files, and bytes, are in each state. */
  get tally(): Readonly<Record<UploadState, Tally>> {
    return this.#tally.counts;
  }

  /** Number of the outbox with this folder; given for good at first sight. */
  async outboxId(path: string): Promise<number> {
    return this.ledger.write(() => {
      this.#sql.prepare('INSERT INTO outbox (path) VALUES (?) ON CONFLICT DO NOTHING').run(path);
      return (this.#sql.prepare('SELECT id FROM outbox WHERE path = ?').get(path) as { id: number }).id;
    });
  }

  /**
   * At start: what was under way when the process ended goes back in line; whether its outcome is unknown was marked
   * before the call. A file that had failed for good is tried anew when a person starts us again, perhaps with other
   * settings. What waits of an outbox that is no longer configured ends here: it would hold up its keys for ever.
   */
  async recover(outboxIds: readonly number[]): Promise<{ interrupted: number; retried: number; unconfigured: number }> {
    const counts = await this.ledger.write(() => ({
      interrupted: this.#sql
        .prepare("UPDATE upload SET state = 'queued', run_at_ms = 0 WHERE state = 'uploading'")
        .run().changes,
      unconfigured: this.#supersedeOutside(outboxIds),
      retried: this.#sql
        .prepare("UPDATE upload SET state = 'superseded' WHERE state = 'failed' AND error_code <> 'SOURCE_MISSING'")
        .run().changes,
    }));
    this.#tally.count();
    return counts;
  }

  /** A wall clock that was ahead must not hold a file back once it is right: nobody waits longer than the longest pause. */
  async clampRunAt(latestMs: number): Promise<void> {
    const beyond = "WHERE state = 'queued' AND run_at_ms > 0 AND run_at_ms > :latestMs";
    if (this.#sql.prepare(`SELECT 1 FROM upload ${beyond} LIMIT 1`).get({ latestMs }) === undefined) return;
    await this.ledger.write(() => this.#sql.prepare(`UPDATE upload SET run_at_ms = 1 ${beyond}`).run({ latestMs }));
  }

  /** @param files gone through once for each try at the transaction */
  async enqueue(files: Iterable<NewUpload>): Promise<void> {
    const queuedAtMs = this.nowMs();
    const { made, replaced } = await this.ledger.write(() => {
      const made = { queued: { files: 0, bytes: 0 }, failed: { files: 0, bytes: 0 } };
      const replaced: number[] = [];
      const lastBatches = new Map<number, number>();
      let id = this.#nextId();
      for (const file of files) {
        // Taken in the meantime, it is no longer ours to end: the worker will see that the file changed.
        const replacedBytes = file.replaces === undefined ? undefined : this.#supersede(file.replaces, 'queued');
        if (replacedBytes !== undefined) replaced.push(replacedBytes);
        const tally = made[this.#insert(id, file, queuedAtMs)];
        tally.files += 1;
        tally.bytes += file.sizeBytes;
        const { outboxId, batch = 0 } = file;
        lastBatches.set(outboxId, Math.max(batch, lastBatches.get(outboxId) ?? 0));
        file.onInserted?.(id);
        id++;
      }
      this.#noteBatches(lastBatches);
      return { made, replaced };
    });
    for (const bytes of replaced) this.#tally.move('queued', 'superseded', bytes);
    this.#tally.add('queued', made.queued);
    this.#tally.add('failed', made.failed);
  }

  /** Takes rows that are due, in order, never two of one key, never a later one of a key before an earlier. */
  async take(options: TakeOptions): Promise<Upload[]> {
    const taken = await this.ledger.write(() => {
      const rows: Upload[] = [];
      for (const record of selectDue(this.#sql, options)) {
        this.#sql.exactlyOne(
          "UPDATE upload SET state = 'uploading', attempt = attempt + 1 WHERE id = ? AND state = 'queued' AND attempt = ?",
          record.id,
          record.attempt,
        );
        rows.push({ ...uploadOf(record), state: TRANSITIONS.queued.take, attempt: record.attempt + 1 });
      }
      return rows;
    });
    for (const { sizeBytes } of taken) this.#tally.move('queued', 'uploading', sizeBytes);
    return taken;
  }

  /** Nobody wants them sent any more, nor hear that they failed; those under way go on. */
  async withdraw(ids: readonly number[]): Promise<void> {
    for (const from of ['queued', 'failed'] as const) {
      const sizes = await this.ledger.write(() => ids.map((id) => this.#supersede(id, from)));
      for (const bytes of sizes) if (bytes !== undefined) this.#tally.move(from, 'superseded', bytes);
    }
  }

  /** When the next deferred row becomes due that is not by `afterMs`, Unix milliseconds. */
  nextRunAtMs(afterMs: number): number | undefined {
    const row = this.#sql
      .prepare("SELECT MIN(run_at_ms) AS at FROM upload WHERE state = 'queued' AND run_at_ms > 0 AND run_at_ms > ?")
      .get(afterMs) as { at: number | null };
    return row.at ?? undefined;
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
      'SET object_key = :objectKey, original_key = :originalKey, renames = renames + 1, outcome_unknown = 0',
      { id, attempt, objectKey, originalKey },
      () => this.#leaveMultipart(id),
    );
  }

  /** The row ends without its multipart upload, which may be there or not. */
  async leaveMultipart({ id, attempt }: Upload): Promise<void> {
    await this.#guarded('SET multipart_id = NULL', { id, attempt }, () => this.#leaveMultipart(id));
  }

  async keepFingerprint({ id, attempt }: Upload, { content, place }: Fingerprint): Promise<void> {
    await this.#guarded('SET content = :content, place = :place', { id, attempt, content, place });
  }

  async complete(row: Upload, outcome: 'delivered' | 'skipped', crc32: number | undefined): Promise<void> {
    const { id, attempt, sizeBytes, multipartId } = row;
    await this.#guarded(
      `SET state = 'done', outcome = :outcome, crc32 = :crc32, multipart_id = NULL, error_code = NULL, error_message = NULL,
       concluded_at_ms = :nowMs`,
      { id, attempt, outcome, crc32: crc32 ?? null, nowMs: this.nowMs() },
      () => {
        this.onDone?.(row, outcome);
        if (multipartId === undefined) return;
        if (outcome === 'delivered') this.#forgetParts(id);
        else this.#leaveMultipart(id);
      },
    );
    this.#tally.move('uploading', TRANSITIONS.uploading.complete, sizeBytes);
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
        conclusion.event === 'defer' ? undefined : () => this.#leaveMultipart(id),
      );
    }
    this.#tally.move('uploading', to, sizeBytes);
  }

  #supersedeOutside(outboxIds: readonly number[]): number {
    const outside = this.#sql
      .prepare("SELECT id FROM upload WHERE state = 'queued' AND outbox_id NOT IN (SELECT value FROM json_each(?))")
      .all(JSON.stringify(outboxIds)) as { id: number }[];
    for (const { id } of outside) this.#supersede(id, 'queued');
    return outside.length;
  }

  /** @param last batch by outbox */
  #noteBatches(last: ReadonlyMap<number, number>): void {
    for (const [outboxId, batch] of last)
      if (batch > 0)
        this.#sql.exactlyOne('UPDATE outbox SET last_batch = MAX(last_batch, ?) WHERE id = ?', batch, outboxId);
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
         error_message, queued_at_ms, concluded_at_ms, batch, note)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
      file.batch ?? null,
      file.note ?? null,
    );
    return state;
  }

  /** @returns its size, undefined when it is so no longer */
  #supersede(id: number, from: 'queued' | 'failed'): number | undefined {
    const row = this.#sql
      .prepare(
        "UPDATE upload SET state = 'superseded', concluded_at_ms = ? WHERE id = ? AND state = ? RETURNING size_bytes",
      )
      .get(this.nowMs(), id, from) as { size_bytes: number } | undefined;
    if (row !== undefined) this.#leaveMultipart(id);
    return row?.size_bytes;
  }

  /** The row no longer goes on with its multipart upload: it is an orphan from this commit on, until it is aborted. */
  #leaveMultipart(id: number): void {
    const left = this.#sql
      .prepare(
        `INSERT INTO orphan_multipart (object_key, multipart_id)
         SELECT object_key, multipart_id FROM upload WHERE id = ? AND multipart_id IS NOT NULL`,
      )
      .run(id).changes;
    if (left === 0) return;
    this.#sql.exactlyOne('UPDATE upload SET multipart_id = NULL WHERE id = ?', id);
    this.#forgetParts(id);
    this.onOrphan();
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
      also?.(); // undone with the rest when the row is not ours
      this.#sql.exactlyOne(
        `UPDATE upload ${set} WHERE id = :id AND state = 'uploading' AND attempt = :attempt`,
        values,
      );
    });
  }
}
