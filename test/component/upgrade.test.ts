import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { systemClock } from '../../src/clock';
import { MIGRATIONS } from '../../src/component/migrations';
import type { Migration } from '../../src/custody/ledger';
import { Ledger } from '../../src/custody/ledger';
import { PublicationTable } from '../../src/messages/publication-table';
import { UPLOAD_MIGRATIONS } from '../../src/upload/upload-schema';
import { UploadTable } from '../../src/upload/upload-table';
import { CoreDevice } from '../support/core-device';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

/** As a build to come would add it. */
const NEXT = `
  CREATE TABLE something_new (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
  ALTER TABLE upload ADD COLUMN something_more TEXT;
  ALTER TABLE publication ADD COLUMN something_more INTEGER NOT NULL DEFAULT 0;
`;

describe('the ledger over an update and its rollback', () => {
  let dir: string;

  const opened = async <T>(migrations: readonly Migration[], work: (ledger: Ledger) => Promise<T>): Promise<T> => {
    const ledger = Ledger.open({ dir, migrations, clock: systemClock, log: silentLog });
    try {
      return await work(ledger);
    } finally {
      ledger.close();
    }
  };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'upgrade-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is read and written by a build before messages, and then by this one again', async () => {
    const publication = { channel: 'local', topic: 't', payload: Buffer.from('x') } as const;
    const id = await opened(MIGRATIONS, async (ledger) => {
      await ledger.write(() => new PublicationTable(ledger).add(publication));
      await new UploadTable(ledger, Date.now, () => undefined).outboxId('/a');
      return ledger.id;
    });
    await opened(UPLOAD_MIGRATIONS, async (ledger) => {
      expect(ledger.id).toBe(id); // not set aside
      const table = new UploadTable(ledger, Date.now, () => undefined);
      expect(await table.outboxId('/a')).toBe(1);
      expect(await table.outboxId('/b')).toBe(2);
      expect((await table.recover([1, 2])).unconfigured).toBe(0);
    });
    await opened(MIGRATIONS, async (ledger) => {
      expect(ledger.id).toBe(id);
      expect(new PublicationTable(ledger).oldest(10, 'local', [])).toMatchObject([{ id: 1, topic: 't' }]);
      expect(await new UploadTable(ledger, Date.now, () => undefined).outboxId('/b')).toBe(2);
    });
  });

  it('of a build before messages gets their table', async () => {
    const id = await opened(UPLOAD_MIGRATIONS, (ledger) => Promise.resolve(ledger.id));
    await opened(MIGRATIONS, (ledger) => {
      expect(ledger.id).toBe(id);
      expect(new PublicationTable(ledger).stored).toBe(0);
      return Promise.resolve();
    });
  });

  it('has the steps of builds before as they were', () => {
    expect(MIGRATIONS.slice(0, UPLOAD_MIGRATIONS.length)).toEqual(UPLOAD_MIGRATIONS);
  });
});

describe('a backlog over an update of the component and its rollback', () => {
  const names = Array.from({ length: 12 }, (_, i) => `${i}.txt`);
  let device: CoreDevice;

  const queued = (): Promise<void> =>
    until('all queued', async () => (await device.status()).uploads.queued === names.length);
  const changeLedger = (sql: string): void => {
    const db = new Database(join(device.work, 'state/ledger.sqlite'));
    db.exec(sql);
    db.close();
  };
  const deliverAll = async (): Promise<void> => {
    await device.cloud.goOnline();
    device.nucleus.tokenExchange.forget();
    await until('all delivered', async () => (await device.status()).uploads.done === names.length);
    const puts = device.cloud.requests.filter(({ operation }) => operation === 'PutObject');
    expect(puts.map(({ key }) => key).sort()).toEqual(names.map((name) => `device00/outbox/${name}`).sort());
    for (const name of names) expect((await device.content(`device00/outbox/${name}`)).toString()).toBe(`of ${name}`);
    await until('all told', () => device.nucleus.topics.published.length === names.length);
    expect(device.logs.map(({ message }) => message).join()).not.toContain('ledger set aside');
  };

  beforeEach(async () => {
    device = await CoreDevice.create({ kind: 'classic' });
    await device.cloud.goOffline();
    device.start();
    await device.logged('running');
    for (const name of names) device.drop(name, `of ${name}`);
    await queued();
    expect(await device.stop()).toBe(0);
  });
  afterEach(() => device.end());

  it('is delivered once, none lost, by the build before after one to come had it', async () => {
    changeLedger(`${NEXT} PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    device.start();
    await device.logged('running', 2);
    await queued();
    await deliverAll();
  });

  it('is delivered once, none lost, by this build after one before messages had it', async () => {
    changeLedger(
      `DROP TABLE publication; DROP TABLE inbound; DROP TABLE job_file; DROP TABLE job; PRAGMA user_version = ${UPLOAD_MIGRATIONS.length}`,
    );
    device.start();
    await device.logged('running', 2);
    await queued();
    await deliverAll();
  });
});
