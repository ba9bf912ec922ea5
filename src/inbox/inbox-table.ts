import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import type { TransferError } from '../domain/errors';
import { type Inbound, type InboundRecord, inboundOf } from './inbound';
import { ENDED as ENDED_STATES, type InboundEvent, TRANSITIONS } from './transitions';

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

/** What there is to tell of a row. */
export type Has = 'ended' | 'landed' | 'to wait';

const ENDED: ReadonlySet<string> = new Set(ENDED_STATES);
const LANDS: ReadonlySet<InboundEvent> = new Set(['land', 'landToArchive']);
const OPEN = "state NOT IN ('failed', 'superseded', 'done')";

/** The inbound objects' rows: every write is guarded by the state it starts from, and resolves once durable. */
export class InboxTable {
  readonly #sql: Statements;

  constructor(
    private readonly ledger: Ledger,
    private readonly nowMs: () => number,
    /** In the transaction that ends a row, has landed it, or lets it wait: what is to be told of it is stored with it. */
    private readonly onStep: (row: Inbound, has: Has) => void,
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
   * A version that is on its way already is not asked for again, nor one that has ended and stays in the bucket.
   * @returns for how many there is something to do
   */
  async want(objects: readonly Wanted[]): Promise<number> {
    return this.ledger.write(() => {
      let news = 0;
      for (const wanted of objects) {
        const latest = this.#latest(wanted.key);
        const decision = latest === undefined ? 'add' : decideWanted(latest, wanted.etag);
        if (decision === 'add') this.#add(wanted);
        if (decision === 'hasten') this.#hasten(latest!, wanted.request);
        if (decision !== 'known') news++;
      }
      return news;
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

  /** One that was asked for while the version before it was on its way. */
  wasAskedMeanwhile({ id, objectKey, askedAtMs }: Inbound): boolean {
    const before = this.#sql
      .prepare('SELECT concluded_at_ms AS at FROM inbound WHERE object_key = ? AND id < ? ORDER BY id DESC LIMIT 1')
      .get(objectKey, id) as { at: number | null } | undefined;
    return before !== undefined && (before.at ?? 0) >= askedAtMs;
  }

  /** Those that S3 does not say anything of. */
  get unseen(): { readonly count: number; readonly reason: string | null } {
    return this.#sql
      .prepare(
        `SELECT COUNT(*) AS count, MAX(error_message) AS reason FROM inbound WHERE ${OPEN} AND error_code = 'OBJECT_UNSEEN'`,
      )
      .get() as { count: number; reason: string | null };
  }

  /**
   * The oldest with work to do now; of one key one after the other.
   * @param except those under way @param atMostBytes as far as its size is known
   */
  findDue(nowMs: number, except: readonly number[], atMostBytes: number): Inbound | undefined {
    const record = this.#sql
      .prepare(
        `SELECT * FROM inbound WHERE ${OPEN} AND run_at_ms <= ? AND id NOT IN (SELECT value FROM json_each(?))
           AND (size_bytes IS NULL OR size_bytes <= ?)
           AND NOT EXISTS (SELECT 1 FROM inbound AS earlier WHERE earlier.object_key = inbound.object_key
                             AND earlier.id < inbound.id AND earlier.${OPEN})
         ORDER BY id LIMIT 1`,
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
    return this.#move(row, event, notes, () => {
      if (this.#latest(row.objectKey)?.id === row.id)
        this.#add({ key: row.objectKey, etag: undefined, request: row.request });
    });
  }

  /** The end of one that brings nothing, unless it has been asked for again since: then it is as it was. */
  async dismiss(row: Inbound, event: 'skip' | 'supersede', notes: Notes, isTold: boolean): Promise<Inbound> {
    return this.ledger.write(() => {
      const now = this.#get(row.id);
      return now.askedAtMs === row.askedAtMs
        ? this.#change(row, { ...notes, ...this.#to(row, event) }, isTold ? 'ended' : undefined)
        : now;
    });
  }

  /** Within a state. */
  async note(row: Inbound, notes: Notes): Promise<Inbound> {
    return this.ledger.write(() => this.#change(row, notes, undefined));
  }

  /** Back in line, for its own later attempt; one that has been asked for again meanwhile goes at once. */
  async defer(row: Inbound, runAtMs: number, error: TransferError, isTold = false): Promise<Inbound> {
    return this.ledger.write(() => {
      const isAsked = this.#get(row.id).askedAtMs !== row.askedAtMs;
      const values = {
        run_at_ms: isAsked ? 0 : runAtMs,
        failures: row.failures + 1,
        error_code: error.code,
        error_message: error.message.slice(0, 1_000),
      };
      return this.#change(row, values, isTold ? 'to wait' : undefined);
    });
  }

  /** Ended ones beyond so many are forgotten, but for the last of each key: it tells what need not come again. */
  async prune(keep: number): Promise<void> {
    const ended = `FROM inbound WHERE state IN ('failed', 'superseded', 'done')
      AND id <= (SELECT MAX(id) FROM inbound) - ?
      AND (outcome = 'archived' OR EXISTS (SELECT 1 FROM inbound AS later WHERE later.object_key = inbound.object_key AND later.id > inbound.id))`;
    if (this.#sql.prepare(`SELECT 1 ${ended} LIMIT 1`).get(keep) === undefined) return;
    await this.ledger.write(() => this.#sql.prepare(`DELETE ${ended}`).run(keep));
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

  /** One that waits to be looked for is looked for now. */
  #hasten({ id, request, askedAtMs }: Inbound, by: string | undefined): void {
    this.#sql.exactlyOne(
      `UPDATE inbound SET run_at_ms = 0, asked_at_ms = ?, request = ?, error_code = NULL WHERE id = ? AND state = 'wanted'`,
      Math.max(this.nowMs(), askedAtMs + 1),
      by ?? request ?? null,
      id,
    );
  }

  #get(id: number): Inbound {
    return inboundOf(this.#sql.prepare('SELECT * FROM inbound WHERE id = ?').get(id) as InboundRecord);
  }

  #to(row: Inbound, event: InboundEvent): { state: string } {
    const state = (TRANSITIONS[row.state] as Partial<Record<InboundEvent, string>>)[event];
    if (state === undefined) throw new Error(`an inbound object that is ${row.state} cannot ${event}`);
    return { state };
  }

  async #move(row: Inbound, event: InboundEvent, notes: Notes, andThen?: () => void): Promise<Inbound> {
    const values = { ...notes, ...this.#to(row, event) };
    return this.ledger.write(() => {
      const has = ENDED.has(values.state) ? 'ended' : LANDS.has(event) ? 'landed' : undefined;
      const now = this.#change(row, values, has);
      andThen?.();
      return now;
    });
  }

  /** In a transaction. */
  #change(
    row: Inbound,
    values: Notes & { state?: string; run_at_ms?: number; failures?: number },
    has: Has | undefined,
  ): Inbound {
    const ends = values.state !== undefined && ENDED.has(values.state);
    const all = { ...values, ...(ends ? { concluded_at_ms: this.nowMs() } : {}) };
    const set = Object.keys(all)
      .map((name) => `${name} = :${name}`)
      .join(', ');
    this.#sql.exactlyOne(`UPDATE inbound SET ${set} WHERE id = :id AND state = :was`, {
      ...all,
      id: row.id,
      was: row.state,
    });
    const now = this.#get(row.id);
    if (has !== undefined) this.onStep(now, has);
    return now;
  }
}

/**
 * Whether there is anything to do for it, the latest of its key being what it is.
 * @param etag undefined: whatever is there, which may be another version by now
 */
function decideWanted(latest: Inbound, etag: string | undefined): 'add' | 'hasten' | 'known' {
  const { state } = latest;
  const isSame = etag !== undefined && etag === latest.etag;
  if (state === 'wanted') return etag === undefined ? 'hasten' : 'known'; // it looks what is there, whatever that is
  if (state === 'superseded' || hasLeft(latest)) return 'add'; // what is gone is new again
  return isSame ? 'known' : 'add'; // behind one that is on its way
}

/** Archived, or taken away or replaced by somebody else: the same bytes under the same key are there anew. */
const hasLeft = ({ outcome, errorCode }: Inbound): boolean =>
  outcome === 'archived' ||
  (outcome === 'landed' && (errorCode === 'OBJECT_CHANGED' || errorCode === 'OBJECT_MISSING'));
