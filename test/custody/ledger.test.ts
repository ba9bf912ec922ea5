import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { systemClock } from '../../src/clock';
import { Ledger, type LedgerOptions } from '../../src/custody/ledger';
import { silentLog } from '../support/silent-log';

const MIGRATIONS = ['CREATE TABLE thing (n INTEGER PRIMARY KEY) STRICT'];

describe('the ledger', () => {
  let dir: string;
  let ledger: Ledger;
  const open = (options: Partial<LedgerOptions> = {}): Ledger => {
    ledger = Ledger.open({ dir, migrations: MIGRATIONS, clock: systemClock, log: silentLog, ...options });
    return ledger;
  };
  const insert = (n: number): Promise<unknown> =>
    ledger.write(() => ledger.db.prepare('INSERT INTO thing VALUES (?)').run(n));
  const count = (): number => (ledger.db.prepare('SELECT COUNT(*) AS n FROM thing').get() as { n: number }).n;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ledger-'));
  });
  afterEach(() => {
    ledger.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('keeps what was written when its promise has resolved, over an end without a goodbye', async () => {
    open();
    await insert(1);
    const copy = join(dir, 'copy'); // what a power cut would leave
    mkdirSync(copy);
    for (const name of ['ledger.sqlite', 'ledger.sqlite-wal']) copyFileSync(join(dir, name), join(copy, name));
    const other = new Database(join(copy, 'ledger.sqlite'));
    expect(other.prepare('SELECT n FROM thing').all()).toEqual([{ n: 1 }]);
    other.close();
  });

  it('groups changes: many at once share few commits', async () => {
    open();
    const wal = join(dir, 'ledger.sqlite-wal');
    const before = statSync(wal).size;
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => insert(i)));
    expect(count()).toBe(1_000);
    // A commit of its own would cost each at least a page of 4 KiB.
    expect(statSync(wal).size - before).toBeLessThan(1_000 * 512);
  });

  it('undoes one change that throws, and keeps its neighbours', async () => {
    open();
    const results = await Promise.allSettled([
      insert(1),
      ledger.write(() => {
        ledger.db.prepare('INSERT INTO thing VALUES (2)').run();
        throw new Error('no');
      }),
      insert(3),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(ledger.db.prepare('SELECT n FROM thing ORDER BY n').all()).toEqual([{ n: 1 }, { n: 3 }]);
  });

  it('holds back what a full disk refuses, and writes it when there is room', async () => {
    open();
    const pages = ledger.db.pragma('page_count', { simple: true }) as number;
    ledger.db.pragma(`max_page_count = ${pages}`);
    const big = ledger.write(() => ledger.db.exec(`CREATE TABLE big AS SELECT randomblob(100000) AS x`));
    const small = insert(1);
    let settled = false;
    void Promise.allSettled([big, small]).then(() => {
      settled = true;
    });
    const refused = new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    await refused;
    expect(settled).toBe(false);
    ledger.db.pragma('max_page_count = 1000000');
    await Promise.all([big, small]);
    expect(count()).toBe(1);
  });

  it('lets no second instance in, and says what to do', () => {
    const first = open();
    expect(() => open()).toThrow(/another courier is running with the state folder .*--state-dir/);
    ledger = first;
  });

  it.each([
    ['overwritten with garbage', () => writeFileSync(join(dir, 'ledger.sqlite'), 'x'.repeat(100_000))],
    [
      'damaged in a page far behind the first',
      () => {
        const file = join(dir, 'ledger.sqlite');
        const bytes = readFileSync(file);
        bytes.fill(0xff, bytes.length - 4_096);
        writeFileSync(file, bytes);
      },
    ],
    [
      'from a build whose schema this one cannot read',
      () => {
        const db = new Database(join(dir, 'ledger.sqlite'));
        db.exec("UPDATE ledger_meta SET value = '9' WHERE name = 'oldest_reader'; PRAGMA user_version = 9");
        db.close();
      },
    ],
  ])('%s is set aside, not deleted, and a new one begins', async (_, spoil) => {
    open();
    await insert(1);
    const { id } = ledger;
    ledger.close();
    spoil();
    open();
    expect(count()).toBe(0);
    expect(ledger.id).not.toBe(id);
    expect(readdirSync(dir).filter((name) => /^ledger\.sqlite\.\d{8}T/.test(name))).toHaveLength(1);
  });

  it('written by a newer build that this one can read is used on', async () => {
    open({ migrations: [...MIGRATIONS, 'ALTER TABLE thing ADD COLUMN more TEXT'] });
    await insert2(ledger);
    ledger.close();
    open();
    expect(count()).toBe(1);
  });

  it('rejects what comes after its end', async () => {
    open().close();
    await expect(insert(1)).rejects.toMatchObject({ code: 'STOPPING' });
  });
});

const insert2 = (ledger: Ledger): Promise<unknown> =>
  ledger.write(() => ledger.db.prepare('INSERT INTO thing (n) VALUES (5)').run());
