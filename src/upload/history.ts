import { setImmediate as others } from 'node:timers/promises';
import type { Clock } from '../clock';
import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import { RunLoop } from '../run-loop';

export interface HistorySource {
  readonly outboxId: number;
  /** Batches whose folders are still there; every other one is gone, and that is on the disk. undefined: nobody knows. */
  readonly remainingBatches: () => Promise<readonly number[] | undefined>;
}

const EVERY_MS = 10 * 60_000;
const AT_A_TIME = 512;

/**
 * Forgets rows that have ended, but for the latest. A row of the spool goes only when the folder of its batch is gone
 * for good: a file that a power cut brings back must meet its row, or it would be sent over a newer version. A row of
 * a file that was sent in place is what the file is remembered by, until a later version takes that over.
 */
export class History {
  readonly #sql: Statements;
  readonly #loop: RunLoop;

  constructor(
    private readonly ledger: Ledger,
    private readonly sources: readonly HistorySource[],
    private readonly keepRows: number,
    clock: Clock,
  ) {
    this.#sql = new Statements(ledger.db);
    this.#loop = new RunLoop(() => this.#forget(), clock);
  }

  /** Rejects when the ledger broke. */
  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  async #forget(): Promise<number> {
    const { seq } = (this.#sql.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'upload'").get() as
      | { seq: number }
      | undefined) ?? { seq: 0 };
    const before = seq - this.keepRows;
    const { oldest } = this.#sql.prepare('SELECT MIN(id) AS oldest FROM upload').get() as { oldest: number | null };
    if (oldest === null || oldest > before) return EVERY_MS;
    for (const { outboxId, remainingBatches } of this.sources) {
      const batches = await remainingBatches();
      if (batches === undefined) continue;
      const remaining = JSON.stringify(batches);
      for (let after = 0, more = true; more && !this.#loop.isStopping; await others()) {
        const ids = this.#select({ outboxId, remaining, before, after });
        more = ids.length === AT_A_TIME;
        after = ids.at(-1) ?? after;
        if (ids.length > 0) await this.ledger.write(() => this.#delete(JSON.stringify(ids)));
      }
    }
    return EVERY_MS;
  }

  #select(range: { outboxId: number; remaining: string; before: number; after: number }): number[] {
    const rows = this.#sql
      .prepare(
        `SELECT id FROM upload AS u
         WHERE id > :after AND id <= :before AND outbox_id = :outboxId AND state IN ('done', 'superseded')
           AND CASE WHEN batch IS NULL
             THEN EXISTS (SELECT 1 FROM upload AS l WHERE l.outbox_id = u.outbox_id AND l.path = u.path AND l.id > u.id)
             ELSE batch NOT IN (SELECT value FROM json_each(:remaining)) END
         ORDER BY id LIMIT ${AT_A_TIME}`,
      )
      .all(range) as { id: number }[];
    return rows.map(({ id }) => id);
  }

  #delete(ids: string): void {
    this.#sql
      .prepare(
        `INSERT INTO pruned (state, files, bytes)
         SELECT state, COUNT(*), SUM(size_bytes) FROM upload WHERE id IN (SELECT value FROM json_each(:ids)) GROUP BY state
         ON CONFLICT (state) DO UPDATE SET files = files + excluded.files, bytes = bytes + excluded.bytes`,
      )
      .run({ ids });
    this.#sql.prepare('DELETE FROM part WHERE upload_id IN (SELECT value FROM json_each(?))').run(ids);
    this.#sql.prepare('DELETE FROM upload WHERE id IN (SELECT value FROM json_each(?))').run(ids);
  }
}
