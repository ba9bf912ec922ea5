import type { Ledger, Migration } from '../custody/ledger';
import { Statements } from '../custody/statements';
import { type Channel, MAX_PAYLOAD_BYTES } from './bus';

/** A message that waits until the bus has taken it over. */
export interface Publication {
  readonly id: number;
  readonly channel: Channel;
  readonly topic: string;
  readonly payload: Buffer;
}

/** `publication`: messages not yet taken over by their bus, oldest first. */
export const PUBLICATION_MIGRATION: Migration = `
  CREATE TABLE publication (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL CHECK (channel IN ('local', 'cloud')),
    topic   TEXT NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  `;

const LIST_END = ']}';

/** Messages that survive a power cut until they are published: at least once, in no certain order. */
export class PublicationTable {
  readonly #sql: Statements;

  constructor(private readonly ledger: Ledger) {
    this.#sql = new Statements(ledger.db);
  }

  get stored(): number {
    return (this.#sql.prepare('SELECT COUNT(*) AS n FROM publication').get() as { n: number }).n;
  }

  /** Inside a transaction of the ledger: the message is there from the commit on that it tells of. */
  add({ channel, topic, payload }: Omit<Publication, 'id'>): void {
    if (payload.length > MAX_PAYLOAD_BYTES)
      throw new Error(`a message of ${payload.length} bytes for ${topic}, at most ${MAX_PAYLOAD_BYTES} pass`);
    this.#sql.exactlyOne('INSERT INTO publication (channel, topic, payload) VALUES (?, ?, ?)', channel, topic, payload);
  }

  /**
   * Inside a transaction of the ledger: into the list of the message that was stored last for the topic, while there is
   * room; else into a new one. A list that grows while it is sent is sent again, whole.
   * @param frame the message around the list `results`
   */
  addToList({ channel, topic }: Pick<Publication, 'channel' | 'topic'>, frame: object, result: object): void {
    const entry = JSON.stringify(result);
    const last = this.#sql
      .prepare('SELECT id, payload FROM publication WHERE channel = ? AND topic = ? ORDER BY id DESC LIMIT 1')
      .get(channel, topic) as { id: number; payload: Buffer } | undefined;
    const grown =
      last === undefined ? undefined : `${last.payload.toString().slice(0, -LIST_END.length)},${entry}${LIST_END}`;
    if (grown !== undefined && Buffer.byteLength(grown) <= MAX_PAYLOAD_BYTES)
      this.#sql.exactlyOne('UPDATE publication SET payload = ? WHERE id = ?', Buffer.from(grown), last!.id);
    else this.add({ channel, topic, payload: Buffer.from(JSON.stringify({ ...frame, results: [result] })) });
  }

  /** @param except topics that take none now */
  oldest(limit: number, channel: Channel, except: readonly string[]): Publication[] {
    return this.#sql
      .prepare(
        `SELECT id, channel, topic, payload FROM publication
         WHERE channel = ? AND topic NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?`,
      )
      .all(channel, JSON.stringify(except), limit) as Publication[];
  }

  /** Those that are still as they were published. */
  async remove(published: readonly Publication[]): Promise<void> {
    if (published.length === 0) return;
    const remove = this.#sql.prepare('DELETE FROM publication WHERE id = ? AND length(payload) = ?');
    await this.ledger.write(() => {
      for (const { id, payload } of published) remove.run(id, payload.length);
    });
  }

  /** The oldest give way: nobody has fetched them for so long. @returns how many went */
  async keepNewest(count: number): Promise<number> {
    const oldestKept = this.#sql.prepare('SELECT id FROM publication ORDER BY id DESC LIMIT 1 OFFSET ?').get(count) as
      | { id: number }
      | undefined;
    if (oldestKept === undefined) return 0;
    return this.ledger.write(
      () => this.#sql.prepare('DELETE FROM publication WHERE id <= ?').run(oldestKept.id).changes,
    );
  }
}
