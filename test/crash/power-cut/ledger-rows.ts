import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

export interface Row {
  readonly id: number;
  readonly name: string;
  readonly batch: number | undefined;
  readonly state: string;
  readonly sizeBytes: number;
  /** size:mtime(ns) */
  readonly content: string;
  readonly note: string | undefined;
}

/** What jobs ask for comes out of no outbox. */
const SQL = `
  SELECT id, CAST(path AS TEXT) AS name, batch, state, size_bytes AS sizeBytes, content, note FROM upload
  WHERE outbox_id NOT IN (SELECT id FROM outbox WHERE path LIKE 'jobs:%') ORDER BY id`;

/** Of a ledger that nobody has open. A copy is read: reading recovers, and that is the daemon's to do. */
export function readRows(stateDir: string, scratch: string): Row[] {
  mkdirSync(scratch, { recursive: true });
  try {
    for (const suffix of ['', '-wal']) {
      const file = join(stateDir, `ledger.sqlite${suffix}`);
      if (existsSync(file)) cpSync(file, join(scratch, `ledger.sqlite${suffix}`));
    }
    const db = new Database(join(scratch, 'ledger.sqlite'));
    try {
      return (db.prepare(SQL).all() as (Row & { batch: number | null; note: string | null })[]).map((row) => ({
        ...row,
        batch: row.batch ?? undefined,
        note: row.note ?? undefined,
      }));
    } finally {
      db.close();
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
