import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import { inboundResult } from '../../src/component/inbox-messages';
import { MIGRATIONS } from '../../src/component/migrations';
import { Ledger } from '../../src/custody/ledger';
import { TransferError } from '../../src/domain/errors';
import type { Inbound } from '../../src/inbox/inbound';
import { InboxTable } from '../../src/inbox/inbox-table';
import { silentLog } from '../support/silent-log';

const KEY = 'inbox/a.txt';
const NOTHING = { error_code: 'OBJECT_MISSING', error_message: 'none' };

describe('the rows of inbound objects', () => {
  let dir: string;
  let ledger: Ledger;
  let table: InboxTable;
  let nowMs: number;
  let told: Inbound[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'inbound-'));
    ledger = Ledger.open({ dir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
    nowMs = 1_000;
    told = [];
    table = new InboxTable(
      ledger,
      () => nowMs,
      (row) => told.push(row),
    );
  });
  afterEach(() => {
    ledger.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const ask = (request?: string) => table.want([{ key: KEY, etag: undefined, request }]);
  const list = (etag: string) => table.want([{ key: KEY, etag, request: undefined }]);
  const due = (...except: number[]) => table.findDue(nowMs, except, Number.MAX_SAFE_INTEGER);
  const underWay = async (etag: string): Promise<Inbound> => {
    await list(etag);
    return table.step(due()!, 'begin', { etag, size_bytes: 5 });
  };
  const ended = async (row: Inbound) =>
    table.step(await table.step(await table.step(row, 'verify'), 'land'), 'keep', { outcome: 'landed' });

  it('have a key that is asked for by name while it is under way looked at again afterwards', async () => {
    const first = await underWay('"1"');
    expect(await ask('7')).toBe(1);
    expect(due()?.id).toBe(first.id);
    expect(due(first.id)).toBeUndefined();
    await ended(first);
    expect(due()).toMatchObject({ state: 'wanted', etag: undefined, request: '7' });
  });

  it('have another version that a listing finds follow the one under way, and no second one of the same', async () => {
    const first = await underWay('"1"');
    expect(await list('"1"')).toBe(0);
    expect(await list('"2"')).toBe(1);
    expect(await list('"3"')).toBe(0); // whatever is there then
    await ended(first);
    const next = due()!;
    await table.dismiss(next, 'supersede', NOTHING, true);
    expect(due()).toBeUndefined();
  });

  it('follow a replaced object once, though it was asked for meanwhile', async () => {
    const first = await underWay('"1"');
    await ask();
    await table.follow(first, 'supersede', NOTHING);
    await table.dismiss(due()!, 'supersede', NOTHING, true);
    expect(due()).toBeUndefined();
  });

  it('say which were asked for while the version before was on its way', async () => {
    const first = await underWay('"1"');
    await ask();
    nowMs += 1;
    await ended(first);
    expect(table.wasAskedMeanwhile(due()!)).toBe(true);
    await table.dismiss(due()!, 'supersede', NOTHING, false);
    expect(told.map(({ state }) => state)).toEqual(['landed', 'done']);
    nowMs += 1;
    await ask();
    expect(table.wasAskedMeanwhile(due()!)).toBe(false);
  });

  it('do not end what has been asked for again since it was looked for', async () => {
    await ask();
    const taken = due()!;
    await ask('8');
    const row = await table.dismiss(taken, 'supersede', NOTHING, true);
    expect(row).toMatchObject({ state: 'wanted', request: '8' });
    expect(told).toEqual([]);
    expect(await table.dismiss(row, 'supersede', NOTHING, true)).toMatchObject({ state: 'superseded' });
    expect(told.map(inboundResult)).toMatchObject([{ id: '8', event: 'superseded' }]);
  });

  it('bring forward what waits, when it is asked for again, and tell that it waits', async () => {
    const unseen = new TransferError('OBJECT_UNSEEN', 'nobody says');
    await ask('7');
    await table.defer(due()!, nowMs + 60_000, unseen, true);
    expect(told.map(inboundResult)).toMatchObject([{ id: '7', event: 'waiting', message: 'nobody says' }]);
    expect(table.unseen).toEqual({ count: 1, reason: 'nobody says' });
    expect(due()).toBeUndefined();
    expect(await list('"1"')).toBe(0);
    expect(due()).toBeUndefined();
    expect(await ask('8')).toBe(1);
    expect(due()).toMatchObject({ request: '8', errorCode: undefined });
    expect(table.unseen.count).toBe(0);
  });

  it('go at once when they were asked for while an attempt failed', async () => {
    await ask();
    const taken = due()!;
    await ask();
    await table.defer(taken, nowMs + 60_000, new TransferError('OBJECT_UNSEEN', 'nobody says'));
    expect(due()?.id).toBe(taken.id);
  });

  it('are forgotten when they are many, but for the last of what stays in the bucket', async () => {
    await ended(await underWay('"1"'));
    await ended(await underWay('"2"'));
    await table.prune(1);
    expect(table.findLatest(KEY)?.etag).toBe('"2"');
    expect(table.counts).toEqual({ open: 0, failed: 0 });
    expect(ledger.db.prepare('SELECT COUNT(*) AS n FROM inbound').get()).toEqual({ n: 1 });
    await table.prune(0);
    expect(table.findLatest(KEY)?.etag).toBe('"2"');
  });
});
