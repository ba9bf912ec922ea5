import type { Database, Statement } from 'better-sqlite3';

/** Each statement is prepared once; a write that must touch one row is held to it. */
export class Statements {
  readonly #prepared = new Map<string, Statement>();

  constructor(private readonly db: Database) {}

  prepare(sql: string): Statement {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  /** @throws Error, which undoes the whole change, when another writer was there first */
  exactlyOne(sql: string, ...values: unknown[]): void {
    const { changes } = this.prepare(sql).run(...values);
    if (changes !== 1)
      throw new Error(`a ledger row is not as expected (${changes} rows match): ${sql.trim().slice(0, 60)}`);
  }
}
