import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { LocalCloud } from '../local-cloud/local-cloud';
import { adminS3 } from '../support/admin-s3';
import { Device } from '../support/device';
import { settingsFromEnv } from './run-settings';

const MIB = 1024 * 1024;
const { full } = settingsFromEnv(process.env);
const LARGE_BYTES = (full ? 1_024 : 200) * MIB;
const SMALL = 1_000;
const AT_ONCE = 16;
const MAX_RSS_KIB = 150 * 1024;

/** Many small objects and a large one that came before them. */
describe('the inbox of a built daemon', () => {
  let dir: string;
  let cloud: LocalCloud;
  let s3: S3Client;
  let device: Device;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'courier-inbox-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    s3 = adminS3(cloud);
  });

  afterEach(async () => {
    await device.kill();
    s3.destroy();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const put = (name: string, Body: Buffer) =>
    s3.send(new PutObjectCommand({ Bucket: 'fleet-bucket', Key: `device00/inbox/${name}`, Body }));

  it(`${SMALL} small objects are not stuck behind one of ${LARGE_BYTES / MIB} MiB, within 150 MiB of memory`, async () => {
    const folder = join(dir, 'inbox');
    device = await Device.create({
      dir,
      cloud,
      config: { inbox: { dir: folder, pollMinutes: 0, parallelObjects: 16 }, upload: { stallSeconds: 60 } },
    });
    const large = Buffer.alloc(LARGE_BYTES, randomBytes(MIB + 1));
    const sha256 = createHash('sha256').update(large).digest('hex');
    await put('a-large', large);
    for (let i = 0; i < SMALL; i += AT_ONCE)
      await Promise.all(
        Array.from({ length: Math.min(AT_ONCE, SMALL - i) }, (_, j) =>
          put(`small/${i + j}`, Buffer.from(`${i + j}\n`)),
        ),
      );
    // Asked for first, and answered when half of the others have landed.
    const slow = cloud.faults.add({ kind: 'stall', operation: 'GetObject', key: 'device00/inbox/a-large' });
    const startedMs = performance.now();
    device.start(['--log-level', 'debug'], ['--max-semi-space-size=4', '--max-old-space-size=64']);
    await slow.waitForHits();
    const open = (atMost: number) =>
      device.waitFor(
        `at most ${atMost} open`,
        ({ inbox }) => Number(inbox?.open) <= atMost && lastLook(inbox),
        240_000,
      );
    const lastLook = (inbox: { lastLookAtMs?: number | undefined } | undefined) => inbox?.lastLookAtMs !== undefined;
    await open(SMALL / 2);
    const halfMs = performance.now();
    slow.release();
    await open(0);
    const seconds = (performance.now() - startedMs) / 1_000;
    const kib = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${device.pid}/status`, 'latin1'))![1]);
    console.log(
      `${SMALL} small and one of ${LARGE_BYTES / MIB} MiB in ${seconds.toFixed(1)} s, ` +
        `half of the small ones after ${((halfMs - startedMs) / 1_000).toFixed(1)} s; peak RSS ${Math.round(kib / 1024)} MiB`,
    );
    const landed = createHash('sha256');
    await pipeline(createReadStream(join(folder, 'a-large')), landed);
    expect(landed.digest('hex')).toBe(sha256);
    expect(readdirSync(join(folder, 'small'))).toHaveLength(SMALL);
    for (let i = 0; i < SMALL; i++) expect(readFileSync(join(folder, 'small', String(i)), 'utf8')).toBe(`${i}\n`);
    const keys = cloud.objects('fleet-bucket').map(({ key }) => key);
    expect(keys.filter((key) => key.startsWith('device00/archive/'))).toHaveLength(SMALL + 1);
    expect(keys).toHaveLength(SMALL + 1);
    expect(kib).toBeLessThanOrEqual(MAX_RSS_KIB);
  }, 900_000);
});
