import type { Statements } from '../custody/statements';
import type { UploadRecord } from './upload-row';

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

/** Rows that are due, in order; never two of one key, never a later one of a key before an earlier. */
export function selectDue(
  sql: Statements,
  { outboxId, newestFirst, nowMs, busyKeys, limit, atLeast, limitBytes }: TakeOptions,
): UploadRecord[] {
  const due = sql
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
