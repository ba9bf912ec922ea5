import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Clock, systemClock } from '../../src/clock';
import { MIGRATIONS } from '../../src/component/migrations';
import { Ledger } from '../../src/custody/ledger';
import { TransferError } from '../../src/domain/errors';
import type { Inbound } from '../../src/inbox/inbound';
import { InboxArchive } from '../../src/inbox/inbox-archive';
import { InboxTable } from '../../src/inbox/inbox-table';
import { ContractRun } from '../contract/contract-run';
import { readText } from '../contract/read-object';
import { codeOf, NEVER, StoreRun } from '../contract/store-run';
import { type LocalCloudEngine, localCloud } from '../engines/local-cloud-engine';
import { ManualClock } from '../support/manual-clock';
import { silentLog } from '../support/silent-log';

/** Where the store heeds conditions, as S3 does. */
describe('the archive', () => {
  const run = new ContractRun(localCloud);
  const s = new StoreRun(run);
  let dir: string;
  let ledger: Ledger;
  let table: InboxTable;

  beforeAll(async () => {
    await run.start();
    await s.start();
  });
  afterAll(async () => {
    s.stop();
    await run.stop();
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'archive-'));
    ledger = Ledger.open({ dir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
    table = new InboxTable(ledger, Date.now, () => {});
  });
  afterEach(() => {
    ledger.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** One life of the process. */
  const life = (store = s.inbox(), clock: Clock = systemClock) => {
    const archive = new InboxArchive({
      table,
      store,
      prefix: 'inbox/',
      archivePrefix: 'archive/',
      clock,
      log: silentLog,
    });
    return (row: Inbound) => archive.advance(row, undefined, NEVER);
  };

  /** An object whose file is safe on the device. */
  const landed = async (name: string, content: string): Promise<Inbound> => {
    const key = `inbox/${name}`;
    const etag = await s.place(key, content);
    await table.want([{ key, etag, request: undefined }]);
    const facts = { size_bytes: content.length, crc32: crc32(content), landed_path: name };
    return table.step(await table.step(await table.step(table.findLatest(key)!, 'begin', facts), 'verify'), 'land');
  };

  const keys = (name: string): string[] =>
    (run.engine as LocalCloudEngine).cloud.objects(run.bucket).flatMap(({ key }) => (key.includes(name) ? [key] : []));

  const copies = (): number =>
    (run.engine as LocalCloudEngine).cloud.requests.filter(({ operation }) => operation === 'CopyObject').length;

  it('takes another name when somebody puts an object there between the look and the copy', async () => {
    const advance = life();
    const chosen = await advance(await landed('raced', 'ours'));
    expect(chosen).toMatchObject({ state: 'archiving', archiveKey: 'archive/raced' });
    await s.place('archive/raced', 'somebody else');
    expect(await codeOf(advance(chosen))).toBe('PRECONDITION_FAILED');
    const back = await advance(chosen);
    expect(back.state).toBe('landed');
    const done = await advance(await advance(await advance(back)));
    expect(done).toMatchObject({ state: 'done', outcome: 'archived' });
    expect(await readText(s.get('archive/raced'))).toBe('somebody else');
    expect(await readText(s.get(done.archiveKey!))).toBe('ours');
    expect(keys('raced')).toHaveLength(2);
  });

  it('tells another object of the same length from its own copy, after a kill', async () => {
    const chosen = await life()(await landed('as long', 'ours'));
    await s.place('archive/as long', 'hers');
    expect(await life()(chosen)).toMatchObject({ state: 'landed' });
    expect(await readText(s.get('archive/as long'))).toBe('hers');
  });

  it('asks for no other object what was refused for two, and asks again later', async () => {
    const store = s.inbox();
    const find = jest.spyOn(store, 'find');
    const denied = new TransferError('ACCESS_DENIED', 'no s3:PutObject');
    const copy = jest.spyOn(store, 'copy').mockRejectedValueOnce(denied).mockRejectedValueOnce(denied);
    const clock = new ManualClock();
    const advance = life(store, clock);
    const stays = { state: 'done', outcome: 'landed', errorMessage: expect.stringContaining('no s3:PutObject') };
    // One alone may be of an object that somebody has taken away.
    expect(await advance(await advance(await landed('shut-1', 'a')))).toMatchObject(stays);
    expect(await advance(await advance(await landed('shut-2', 'b')))).toMatchObject(stays);
    expect([find.mock.calls.length, copy.mock.calls.length]).toEqual([2, 2]);
    await clock.pass(599_000);
    expect(await advance(await landed('shut-3', 'c'))).toMatchObject(stays);
    expect([find.mock.calls.length, copy.mock.calls.length]).toEqual([2, 2]);
    await clock.pass(1_000);
    const last = await advance(await advance(await advance(await landed('shut-4', 'd'))));
    expect(last).toMatchObject({ state: 'done', outcome: 'archived' });
    expect(keys('shut-')).toEqual(['archive/shut-4', 'inbox/shut-1', 'inbox/shut-2', 'inbox/shut-3']);
  });

  it('knows its own copy after a kill, and copies it no second time', async () => {
    const advance = life();
    const chosen = await advance(await landed('copied', 'ours'));
    await s
      .inbox()
      .copy('inbox/copied', { etag: chosen.etag!, sizeBytes: 4, checksums: {} }, 'archive/copied', true, NEVER);
    const before = copies();
    expect(await life()(chosen)).toMatchObject({ state: 'archived', archiveKey: 'archive/copied' });
    expect(copies()).toBe(before);
  });
});
