import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import type { TransferError } from '../domain/errors';
import { type Inbound, type InboundRecord, inboundOf } from './inbound';
import { type InboundEvent, TRANSITIONS } from './transitions';

export interface Wanted {
  readonly key: string;
  /** undefined: whatever version there is. */
  readonly etag: string | undefined;
  readonly request: string | undefined;
}

/** What a step may note beside the state. */
export type Notes = Partial<
  Pick<
    InboundRecord,
    | 'etag'
    | 'size_bytes'
    | 'boot_id'
    | 'durable_bytes'
    | 'inode'
    | 'verified'
    | 'crc32'
    | 'landed_path'
    | 'archive_key'
    | 'outcome'
    | 'error_code'
    | 'error_message'
  >
>;

const OPEN = "state NOT IN ('failed', 'superseded', 'done')";

/** The inbound objects' rows: every write is guarded by the state it starts from, and resolves once durable. */
export class InboxTable {
  readonly #sql: Statements;

  constructor(
    private readonly ledger: Ledger,
    private readonly nowMs: () => number,
    /** In the transaction that ends a row, or has landed it: what is to be told of it is stored with it. */
    private readonly onStep: (row: Inbound) => void,
  ) {
    this.#sql = new Statements(ledger.db);
  }

  get counts(): { readonly open: number; readonly failed: number } {
    return this.#sql
      .prepare(
        `SELECT (SELECT COUNT(*) FROM inbound WHERE ${OPEN}) AS open,
                (SELECT COUNT(*) FROM inbound WHERE state = 'failed') AS failed`,
      )
      .get() as { open: number; failed: number };
  }

  /**
   * A key that is on its way already is not asked for again, nor one whose very version has ended and stays in the
   * bucket. @returns how many rows were made
   */
  async want(objects: readonly Wanted[]): Promise<number> {
    return this.ledger.write(() => {
      let made = 0;
      for (const wanted of objects) {
        const latest = this.#latest(wanted.key);
        if (latest !== undefined && isKnown(latest, wanted.etag)) continue;
        this.#add(wanted);
        made++;
      }
      return made;
    });
  }

  /** The version of a key that came last. */
  findLatest(key: string): Inbound | undefined {
    return this.#latest(key);
  }

  /** Whether this very version is the one that came last and was left in the bucket: another may have come between. */
  hasLanded({ id, objectKey }: Inbound, etag: string): boolean {
    const record = this.#sql
      .prepare('SELECT * FROM inbound WHERE object_key = ? AND id < ? AND outcome IS NOT NULL ORDER BY id DESC LIMIT 1')
      .get(objectKey, id) as InboundRecord | undefined;
    return record !== undefined && record.etag === etag && !hasLeft(inboundOf(record));
  }

  /** The oldest with work to do now. @param except those under way @param atMostBytes as far as its size is known */
  findDue(nowMs: number, except: readonly number[], atMostBytes: number): Inbound | undefined {
    const record = this.#sql
      .prepare(
        `SELECT * FROM inbound WHERE ${OPEN} AND run_at_ms <= ? AND id NOT IN (SELECT value FROM json_each(?))
           AND (size_bytes IS NULL OR size_bytes <= ?) ORDER BY id LIMIT 1`,
      )
      .get(nowMs, JSON.stringify(except), atMostBytes) as InboundRecord | undefined;
    return record === undefined ? undefined : inboundOf(record);
  }

  nextRunAtMs(afterMs: number): number | undefined {
    const { at } = this.#sql
      .prepare(`SELECT MIN(run_at_ms) AS at FROM inbound WHERE ${OPEN} AND run_at_ms > ?`)
      .get(afterMs) as { at: number | null };
    return at ?? undefined;
  }

  /** A wall clock that was ahead must not hold an object back once it is right. */
  async clampRunAt(latestMs: number): Promise<void> {
    const beyond = `WHERE ${OPEN} AND run_at_ms > ?`;
    if (this.#sql.prepare(`SELECT 1 FROM inbound ${beyond} LIMIT 1`).get(latestMs) === undefined) return;
    await this.ledger.write(() => this.#sql.prepare(`UPDATE inbound SET run_at_ms = 1 ${beyond}`).run(latestMs));
  }

  /** One step of the row's life. @returns the row as it is now */
  async step(row: Inbound, event: InboundEvent, notes: Notes = {}): Promise<Inbound> {
    return this.#move(row, event, notes);
  }

  /** The end of a row whose object has been replaced: what is there now is asked for in the same commit. */
  async follow(row: Inbound, event: InboundEvent, notes: Notes): Promise<Inbound> {
    return this.#move(row, event, notes, () =>
      this.#add({ key: row.objectKey, etag: undefined, request: row.request }),
    );
  }

  /** Within a state. */
  async note(row: Inbound, notes: Notes): Promise<Inbound> {
    return this.#write(row, notes);
  }

  /** Back in line, for its own later attempt. */
  async defer(row: Inbound, runAtMs: number, isCharged: boolean, error: TransferError): Promise<Inbound> {
    return this.#write(row, {
      run_at_ms: runAtMs,
      failures: row.failures + (isCharged ? 1 : 0),
      error_code: error.code,
      error_message: error.message.slice(0, 1_000),
    });
  }

  /** Ended ones beyond so many are forgotten, but for the last of each key: it tells what need not come again. */
  async prune(keep: number): Promise<void> {
    await this.ledger.write(() =>
      this.#sql
        .prepare(
          `DELETE FROM inbound WHERE state IN ('failed', 'superseded', 'done')
             AND id <= (SELECT MAX(id) FROM inbound) - ?
             AND (outcome = 'archived' OR EXISTS (SELECT 1 FROM inbound AS later WHERE later.object_key = inbound.object_key AND later.id > inbound.id))`,
        )
        .run(keep),
    );
  }

  #latest(key: string): Inbound | undefined {
    const record = this.#sql.prepare('SELECT * FROM inbound WHERE object_key = ? ORDER BY id DESC LIMIT 1').get(key) as
      | InboundRecord
      | undefined;
    return record === undefined ? undefined : inboundOf(record);
  }

  #add({ key, etag, request }: Wanted): void {
    this.#sql.exactlyOne(
      "INSERT INTO inbound (object_key, etag, state, request, asked_at_ms) VALUES (?, ?, 'wanted', ?, ?)",
      key,
      etag ?? null,
      request ?? null,
      this.nowMs(),
    );
  }

  #move(row: Inbound, event: InboundEvent, notes: Notes, andThen?: () => void): Promise<Inbound> {
    const to = (TRANSITIONS[row.state] as Partial<Record<InboundEvent, string>>)[event];
    if (to === undefined) throw new Error(`an inbound object that is ${row.state} cannot ${event}`);
    return this.#write(row, { ...notes, state: to }, andThen);
  }

  #write(
    row: Inbound,
    values: Notes & { state?: string; run_at_ms?: number; failures?: number },
    andThen?: () => void,
  ): Promise<Inbound> {
    const ends = values.state === 'done' || values.state === 'failed' || values.state === 'superseded';
    const all = { ...values, ...(ends ? { concluded_at_ms: this.nowMs() } : {}) };
    const set = Object.keys(all)
      .map((name) => `${name} = :${name}`)
      .join(', ');
    return this.ledger.write(() => {
      this.#sql.exactlyOne(`UPDATE inbound SET ${set} WHERE id = :id AND state = :was`, {
        ...all,
        id: row.id,
        was: row.state,
      });
      const record = this.#sql.prepare('SELECT * FROM inbound WHERE id = ?').get(row.id) as InboundRecord;
      const now = inboundOf(record);
      if (ends || (row.state === 'landing' && values.state === 'landed')) this.onStep(now);
      andThen?.();
      return now;
    });
  }
}

/** On its way, or ended and still in the bucket in that version. What is gone from there is new again. */
function isKnown(row: Inbound, wanted: string | undefined): boolean {
  const { state, etag } = row;
  if (state === 'superseded' || hasLeft(row)) return false;
  if (state === 'done' || state === 'failed') return wanted !== undefined && wanted === etag;
  return true;
}

/** Archived, or taken away or replaced by somebody else: the same bytes under the same key are there anew. */
const hasLeft = ({ outcome, errorCode }: Inbound): boolean =>
  outcome === 'archived' ||
  (outcome === 'landed' && (errorCode === 'OBJECT_CHANGED' || errorCode === 'OBJECT_MISSING'));
