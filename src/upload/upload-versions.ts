import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import type { Upload, UploadRecord } from './upload-row';

/** A row as those who find files need it. */
export type KnownVersion = Pick<Upload, 'id' | 'path' | 'batch' | 'state' | 'sizeBytes' | 'fingerprint' | 'errorCode'>;

/** What was delivered of a path: its size and mtime, and its CRC32. */
export interface Delivered {
  readonly content: string;
  readonly crc32: number;
}

const SELECT_VERSION = 'SELECT id, path, batch, state, size_bytes, content, place, error_code FROM upload';
const LATEST = `${SELECT_VERSION} WHERE outbox_id = ? AND path = ? ORDER BY id DESC LIMIT 1`;

function versionOf(found: unknown): KnownVersion | undefined {
  if (found === undefined) return undefined;
  const { id, path, batch, state, size_bytes, content, place, error_code } = found as UploadRecord;
  return {
    id,
    path,
    batch: batch ?? undefined,
    state,
    sizeBytes: size_bytes,
    fingerprint: { content, place },
    errorCode: error_code ?? undefined,
  };
}

/** Which versions of a file the ledger knows. */
export class UploadVersions {
  readonly #sql: Statements;

  constructor(ledger: Ledger) {
    this.#sql = new Statements(ledger.db);
  }

  find(id: number): KnownVersion | undefined {
    return versionOf(this.#sql.prepare(`${SELECT_VERSION} WHERE id = ?`).get(id));
  }

  /** The latest version of a path. Asked for every file of every look, so no more than the answer needs. */
  findLatest(outboxId: number, path: Buffer): KnownVersion | undefined {
    return versionOf(this.#sql.prepare(LATEST).get(outboxId, path));
  }

  /** The latest version of a file of the spool. */
  findInBatch(outboxId: number, batch: number, path: Buffer): KnownVersion | undefined {
    const sql = `${SELECT_VERSION} WHERE outbox_id = ? AND path = ? AND batch = ? ORDER BY id DESC LIMIT 1`;
    return versionOf(this.#sql.prepare(sql).get(outboxId, path, batch));
  }

  /** What the path last delivered before this row, as far as the ledger remembers. */
  findDelivered({ id, outboxId, path }: Upload): Delivered | undefined {
    return this.#sql
      .prepare(
        `SELECT content, crc32 FROM upload
         WHERE outbox_id = ? AND path = ? AND id < ? AND state = 'done' AND crc32 IS NOT NULL ORDER BY id DESC LIMIT 1`,
      )
      .get(outboxId, path, id) as Delivered | undefined;
  }

  /** The latest version of a path that was claimed before this batch. */
  findBeforeBatch(outboxId: number, batch: number, path: Buffer): KnownVersion | undefined {
    const sql = `${SELECT_VERSION} WHERE outbox_id = ? AND path = ? AND batch < ? ORDER BY id DESC LIMIT 1`;
    return versionOf(this.#sql.prepare(sql).get(outboxId, path, batch));
  }

  /** Every batch of the outbox up to this one has had its rows. */
  lastBatch(outboxId: number): number {
    return (this.#sql.prepare('SELECT last_batch AS n FROM outbox WHERE id = ?').get(outboxId) as { n: number }).n;
  }
}
