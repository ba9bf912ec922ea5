import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import { PartTable } from './part-table';
import { describeUpload, summarizeUpload, type UploadSummary } from './present-upload';
import type { UploadState } from './transitions';
import { type UploadRecord, uploadOf } from './upload-row';

/** The uploads' rows as a person asks for them. */
export class UploadReader {
  readonly #sql: Statements;
  readonly #parts: PartTable;

  constructor(ledger: Ledger) {
    this.#sql = new Statements(ledger.db);
    this.#parts = new PartTable(ledger);
  }

  find(id: number): ReturnType<typeof describeUpload> | undefined {
    const record = this.#sql.prepare('SELECT * FROM upload WHERE id = ?').get(id) as UploadRecord | undefined;
    if (record === undefined) return undefined;
    const upload = uploadOf(record);
    const { path } = this.#sql.prepare('SELECT path FROM outbox WHERE id = ?').get(upload.outboxId) as { path: string };
    return describeUpload(upload, path, this.#parts.of(id));
  }

  /** Those of these rows that are not ended, by what keeps them, and bytes of them that S3 has in parts. */
  lookAt(ids: readonly number[]): {
    readonly open: readonly {
      readonly state: 'queued' | 'uploading';
      readonly code: string | null;
      readonly message: string | null;
      readonly files: number;
    }[];
    readonly partBytes: number;
  } {
    const among = JSON.stringify(ids);
    const open = this.#sql
      .prepare(
        `SELECT state, error_code AS code, MIN(error_message) AS message, COUNT(*) AS files FROM upload
         WHERE id IN (SELECT value FROM json_each(?)) AND state IN ('queued', 'uploading') GROUP BY state, error_code`,
      )
      .all(among) as ReturnType<UploadReader['lookAt']>['open'];
    const { partBytes } = this.#sql
      .prepare(
        `SELECT coalesce(SUM(size_bytes), 0) AS partBytes FROM part
         WHERE upload_id IN (SELECT value FROM json_each(?))`,
      )
      .get(among) as { partBytes: number };
    return { open, partBytes };
  }

  /** @throws when there is no such row */
  summarize(id: number): UploadSummary {
    return summarizeUpload(uploadOf(this.#sql.prepare('SELECT * FROM upload WHERE id = ?').get(id) as UploadRecord));
  }

  /** Newest first. @param before only rows with a smaller number */
  list(state: UploadState | undefined, before: number, limit: number): UploadSummary[] {
    const where = state === undefined ? '' : 'AND state = :state';
    const records = this.#sql
      .prepare(`SELECT * FROM upload WHERE id < :before ${where} ORDER BY id DESC LIMIT :limit`)
      .all({ before, limit, ...(state === undefined ? {} : { state }) }) as UploadRecord[];
    return records.map((record) => summarizeUpload(uploadOf(record)));
  }

  /** Files that wait for another attempt after failures of their own, and the one that has failed most. */
  retrying(): { files: number; worst: UploadSummary | undefined } {
    const where = "WHERE state = 'queued' AND run_at_ms > 0 AND failures > 0";
    const { files } = this.#sql.prepare(`SELECT COUNT(*) AS files FROM upload ${where}`).get() as { files: number };
    const worst = this.#sql.prepare(`SELECT * FROM upload ${where} ORDER BY failures DESC LIMIT 1`).get() as
      | UploadRecord
      | undefined;
    return { files, worst: worst && summarizeUpload(uploadOf(worst)) };
  }
}
