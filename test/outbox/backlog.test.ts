import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { LocalCloud } from '../local-cloud/local-cloud';
import { Device } from '../support/device';
import { filesIn } from '../support/outbox-folder';
import { until } from '../support/until';

/** Of a batch, at most. */
const BATCH = 4_096;
const FILES = 2 * BATCH + 500;

/** Three batches, with a disk that takes its time: `sync` waits until it may. */
describe('a backlog', () => {
  let dir: string;
  let cloud: LocalCloud;
  let device: Device;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'backlog-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    const outbox = join(dir, 'device/outbox');
    device = await Device.create({
      dir: join(dir, 'device'),
      cloud,
      config: { outboxes: [{ path: outbox, settleSeconds: 0, rescanSeconds: 0.2 }] },
    });
    await cloud.goOffline();
    mkdirSync(join(outbox, 'day'));
    for (let i = 0; i < FILES; i++) writeFileSync(join(outbox, 'day', `f${i}`), '');
    mkdirSync(join(dir, 'slow'));
    writeFileSync(
      join(dir, 'slow/sync'),
      `#!/bin/sh
PATH='${process.env.PATH}'
mkdir '${dir}/first' 2>/dev/null && isFirst=yes
while [ -d '${dir}' ] && [ ! -e '${dir}/go' ]; do sleep 0.02; done
if [ "$isFirst" ] && [ -e '${dir}/fail' ]; then echo 'sync: Input/output error' >&2; exit 1; fi
exec sync "$@"
`,
      { mode: 0o755 },
    );
  });

  afterEach(async () => {
    await device.kill();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true }); // a sync that still waits ends with it
  });

  const left = (): number => filesIn(device.outbox).length;
  const go = (): void => writeFileSync(join(dir, 'go'), '');
  /** The second batch is moved while the first is made durable, and neither has rows. */
  async function startUntilAhead(): Promise<void> {
    device.environment.PATH = `${join(dir, 'slow')}:${process.env.PATH}`;
    device.start();
    await until('two batches are moved', () => left() <= FILES - 2 * BATCH);
    expect([left(), (await device.status()).uploads.queued]).toEqual([FILES - 2 * BATCH, 0]);
  }
  const allQueued = () =>
    device.waitFor('all are queued', ({ uploads: { queued, uploading } }) => queued + uploading >= FILES);
  /** The batches of the rows, in the order of the rows; of a daemon that has ended. */
  function batchesOfRows(): { readonly order: number[]; readonly rows: number; readonly paths: number } {
    const db = new Database(join(device.stateDir, 'ledger.sqlite'), { readonly: true });
    try {
      const rows = db.prepare('SELECT batch, path FROM upload ORDER BY id').all() as { batch: number; path: Buffer }[];
      const order = rows.map(({ batch }) => batch).filter((batch, i, all) => batch !== all[i - 1]);
      return { order, rows: rows.length, paths: new Set(rows.map(({ path }) => path.toString())).size };
    } finally {
      db.close();
    }
  }

  it('is moved on while a batch is made durable; rows come after that, in the order of the batches', async () => {
    await startUntilAhead();
    go();
    await allQueued();
    await device.stop();
    expect(batchesOfRows()).toEqual({ order: [1, 2, 3], rows: FILES, paths: FILES });
  });

  it('gets the rows of all that was moved when it is stopped in between', async () => {
    await startUntilAhead();
    const stopped = device.stop();
    go();
    expect(await stopped).toBe(0);
    expect(batchesOfRows()).toEqual({ order: [1, 2], rows: 2 * BATCH, paths: 2 * BATCH });
    expect(left()).toBe(FILES - 2 * BATCH);
  });

  it('is found again when it is killed in between', async () => {
    await startUntilAhead();
    await device.kill();
    go();
    device.start();
    await allQueued();
    await device.stop();
    expect(batchesOfRows()).toEqual({ order: [1, 2, 3], rows: FILES, paths: FILES });
  });

  it('gets no row of a batch that the disk refused until it is durable after all', async () => {
    await startUntilAhead();
    writeFileSync(join(dir, 'fail'), '');
    go();
    await allQueued();
    await device.stop();
    const { order, ...counts } = batchesOfRows();
    expect(counts).toEqual({ rows: FILES, paths: FILES });
    expect(order[0]).toBe(2);
  });
});
