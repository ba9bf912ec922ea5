import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { LocalCloud } from '../local-cloud/local-cloud';
import { adminS3 } from '../support/admin-s3';
import { Device } from '../support/device';
import { settingsFromEnv } from './run-settings';

const MIB = 1024 * 1024;
const { full } = settingsFromEnv(process.env);
/** In full it is too large to be copied at once. */
const [LARGE_BYTES, WITHIN_MS] = full ? [5 * 1_024 * MIB, 1_800_000] : [200 * MIB, 240_000];
const PART_BYTES = 100 * MIB;
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

  /** Of the same bytes again and again. @returns its SHA-256 */
  async function putLarge(name: string): Promise<string> {
    const at = { Bucket: 'fleet-bucket', Key: `device00/inbox/${name}` };
    const sha256 = createHash('sha256');
    const bytes = Buffer.alloc(PART_BYTES, randomBytes(MIB + 1));
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ ...at, ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' }),
    );
    const Parts: object[] = [];
    for (let left = LARGE_BYTES; left > 0; left -= PART_BYTES) {
      const Body = bytes.subarray(0, Math.min(left, PART_BYTES));
      sha256.update(Body);
      const PartNumber = Parts.length + 1;
      const { ETag, ChecksumCRC32 } = await s3.send(
        new UploadPartCommand({ ...at, UploadId, PartNumber, Body, ChecksumAlgorithm: 'CRC32' }),
      );
      Parts.push({ PartNumber, ETag, ChecksumCRC32 });
    }
    await s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }));
    return sha256.digest('hex');
  }

  it(
    `${SMALL} small objects are not stuck behind one of ${LARGE_BYTES / MIB} MiB, within 150 MiB of memory`,
    async () => {
      const folder = join(dir, 'inbox');
      device = await Device.create({
        dir,
        cloud,
        config: { inbox: { dir: folder, pollMinutes: 0, parallelObjects: 16 }, upload: { stallSeconds: 60 } },
      });
      const sha256 = await putLarge('a-large');
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
          WITHIN_MS,
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
    },
    2 * WITHIN_MS,
  );
});
