import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Courier } from '../support/courier';
import { filesIn } from '../support/outbox-folder';
import { until } from '../support/until';

const LEDGER = ['ledger.sqlite', 'ledger.sqlite-wal', 'ledger.sqlite-shm'];
const COUNT = 1_000;
const name = (i: number): string => `f${String(i).padStart(4, '0')}`;

/** Each of these tests writes and sends 1,000 files. */
const LONG_MS = 180_000;

describe('with 1,000 files waiting', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  const file = (of: string): string => join(courier.dir, 'state', of);
  const uploads = () => courier.component.status().uploads;
  const claimed = (): Promise<void> => until('all are claimed', () => filesIn(courier.outbox).length === 0);

  async function drop(from: number, to: number): Promise<void> {
    for (let i = from; i < to; i++) courier.drop(name(i), `content ${i}`);
    await claimed();
  }

  /** A courier offline that has claimed them, and two more versions of the first. */
  async function wait(then?: (at: number) => Promise<void>): Promise<void> {
    courier = (await Courier.create({ config: { upload: { stallSeconds: 20 } } })).claims();
    await courier.cloud.goOffline();
    await courier.start();
    await drop(0, COUNT / 2);
    await then?.(COUNT / 2);
    await drop(COUNT / 2, COUNT);
    for (const version of ['second', 'third']) {
      courier.drop(name(0), version);
      await claimed();
    }
    await courier.stop();
  }

  async function expectAllInOrder(): Promise<void> {
    courier.cloud.clearRequests();
    await courier.cloud.goOnline();
    await courier.start();
    await courier.delivered(COUNT + 2, 100_000);
    const inOrder = [...Array.from({ length: COUNT }, (_, i) => name(i)), name(0), name(0)];
    const rows = courier.component.list('done', undefined, 2 * COUNT).sort((a, b) => a.id - b.id);
    expect(rows.map(({ path }) => path)).toEqual(inOrder);
    const first = courier.cloud.requests.filter(
      ({ operation, key }) => operation === 'PutObject' && key?.endsWith(name(0)),
    );
    expect(first.map(({ bytesIn }) => bytesIn)).toEqual(['content 0', 'second', 'third'].map(({ length }) => length));
    expect((await courier.content(`device00/outbox/${name(0)}`)).toString()).toBe('third');
    for (const i of [1, COUNT / 2, COUNT - 1])
      expect((await courier.content(`device00/outbox/${name(i)}`)).toString()).toBe(`content ${i}`);
    const spool = courier.component.status().outboxes[0]!.spool!;
    await until('the spool is empty', () => readdirSync(spool).length === 0);
  }

  const setAside = (): string[] => readdirSync(file('')).filter((each) => /^ledger\.sqlite\.\d/.test(each));

  it(
    'a ledger that is deleted is made anew',
    async () => {
      await wait();
      for (const each of LEDGER) rmSync(file(each), { force: true });
      await expectAllInOrder();
    },
    LONG_MS,
  );

  it(
    'a ledger that is garbage is set aside and made anew',
    async () => {
      await wait();
      for (const each of LEDGER) rmSync(file(each), { force: true });
      writeFileSync(file(LEDGER[0]!), Buffer.alloc(100_000, 'garbage'));
      await expectAllInOrder();
      expect(setAside()).toHaveLength(1);
      expect(courier.logs.some(({ message }) => message.startsWith('ledger set aside'))).toBe(true);
    },
    LONG_MS,
  );

  it(
    'a ledger from a newer build is set aside and made anew',
    async () => {
      await wait();
      const db = new Database(file(LEDGER[0]!));
      db.exec("PRAGMA user_version = 99; UPDATE ledger_meta SET value = '99' WHERE name = 'oldest_reader'");
      db.close();
      await expectAllInOrder();
      expect(setAside().length).toBeGreaterThan(0);
    },
    LONG_MS,
  );

  it(
    'a ledger that is rolled back to an older copy goes on from there',
    async () => {
      await wait(async () => {
        await courier.stop();
        mkdirSync(file('copy'));
        for (const each of LEDGER) if (existsSync(file(each))) copyFileSync(file(each), file(join('copy', each)));
        await courier.start();
      });
      for (const each of LEDGER) {
        rmSync(file(each), { force: true });
        if (existsSync(file(join('copy', each)))) copyFileSync(file(join('copy', each)), file(each));
      }
      await expectAllInOrder();
    },
    LONG_MS,
  );

  it(
    'a ledger that is rolled back over deliveries sends none of them again, and all others',
    async () => {
      await wait();
      mkdirSync(file('copy'));
      for (const each of LEDGER) if (existsSync(file(each))) copyFileSync(file(each), file(join('copy', each)));
      await courier.cloud.goOnline();
      await courier.start();
      await until(
        'some are delivered and gone',
        () => uploads().done > 100 && filesIn(file('spool')).length < COUNT - 50,
      );
      await courier.stop();
      const left = filesIn(file('spool')).length;
      for (const each of LEDGER) {
        rmSync(file(each), { force: true });
        if (existsSync(file(join('copy', each)))) copyFileSync(file(join('copy', each)), file(each));
      }
      await courier.start();
      await until('all is concluded', () => uploads().queued + uploads().uploading === 0, uploads, 100_000);
      expect(uploads()).toMatchObject({ done: left, failed: COUNT + 2 - left });
      expect(new Set(courier.keys()).size).toBe(COUNT);
      expect((await courier.content(`device00/outbox/${name(0)}`)).toString()).toBe('third');
    },
    LONG_MS,
  );
});
