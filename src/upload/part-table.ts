import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import type { SentPart } from './part-plan';

interface PartRecord {
  readonly number: number;
  readonly offset_bytes: number;
  readonly size_bytes: number;
  readonly etag: string;
  readonly crc32: number;
}

/** What S3 has answered for, part by part: the record that resuming stands on. */
export class PartTable {
  readonly #sql: Statements;

  constructor(private readonly ledger: Ledger) {
    this.#sql = new Statements(ledger.db);
  }

  /** In order of their numbers. */
  of(uploadId: number): SentPart[] {
    return (
      this.#sql.prepare('SELECT * FROM part WHERE upload_id = ? ORDER BY number').all(uploadId) as PartRecord[]
    ).map((part) => ({
      number: part.number,
      offset: part.offset_bytes,
      sizeBytes: part.size_bytes,
      etag: part.etag,
      crc32: part.crc32,
    }));
  }

  async add(uploadId: number, { number, offset, sizeBytes, etag, crc32 }: SentPart): Promise<void> {
    await this.ledger.write(() =>
      this.#sql.exactlyOne(
        'INSERT OR REPLACE INTO part (upload_id, number, offset_bytes, size_bytes, etag, crc32) VALUES (?, ?, ?, ?, ?, ?)',
        uploadId,
        number,
        offset,
        sizeBytes,
        etag,
        crc32,
      ),
    );
  }

  /** S3 does not hold it, or not as we sent it. */
  async forget(uploadId: number, numbers: readonly number[]): Promise<void> {
    await this.ledger.write(() => {
      for (const number of numbers)
        this.#sql.exactlyOne('DELETE FROM part WHERE upload_id = ? AND number = ?', uploadId, number);
    });
  }
}
