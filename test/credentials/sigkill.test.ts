import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalCloud } from '../local-cloud/local-cloud';
import { seedBIotPolicy } from '../local-cloud/seed-iot-policies';
import { ConnectProxy } from '../support/connect-proxy';
import { Device } from '../support/device';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const PART_BYTES = 5 * MIB;
const PARTS = 6;
const PARALLEL = 2;
const KILLS = 3;

describe('tokens by message that allow PutObject alone', () => {
  let dir: string;
  let cloud: LocalCloud;
  let device: Device;
  let proxy: ConnectProxy;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'put-only-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    proxy = await ConnectProxy.start({ bytesPerSecond: 8 * MIB });
    device = await Device.create({
      dir: join(dir, 'device'),
      cloud,
      config: {
        credentials: { source: 'mqtt-token' },
        proxy: { url: proxy.url },
        mqtt: { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile },
        upload: { singlePutMaxBytes: MIB, partSizeBytes: PART_BYTES, parallelParts: PARALLEL, probeMaxSeconds: 1 },
      },
    });
    await cloud.createThing(device.thing, { certificatePolicy: seedBIotPolicy(cloud, device.thing) });
    cloud.createTokenVendor(device.bucket, { durationSeconds: 3 });
  });
  afterEach(async () => {
    await device.kill();
    await proxy.stop();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('a large file goes on after each SIGKILL where it was, from our own record of its parts', async () => {
    const content = randomBytes(PARTS * PART_BYTES);
    writeFileSync(join(device.outbox, 'large.bin'), content);
    const stored = (): number => cloud.multipartUploads(device.bucket)[0]?.parts.length ?? 0;
    for (let kills = 0; kills < KILLS; kills++) {
      const before = stored();
      device.start();
      await until(
        'a part more',
        () => stored() > before,
        () => device.output.slice(-2_000),
      );
      await device.kill();
    }
    device.start();
    await device.delivered(1);
    const digest = createHash('sha256').update(content).digest('hex');
    expect(await cloud.sha256(device.bucket, `${device.thing}/outbox/large.bin`)).toBe(digest);
    expect(cloud.counters.CreateMultipartUpload).toBe(1);
    // What was under way when it was killed is sent again, or was stored and not yet recorded: no more.
    const sent = cloud.requests.filter(({ operation, status }) => operation === 'UploadPart' && status === 200);
    expect(sent.length).toBeLessThanOrEqual(PARTS + KILLS * PARALLEL);
    const { missing } = await device.status();
    expect(missing.map(({ action }) => action)).toContain('s3:ListMultipartUploadParts');
    // Asked for once in each life that resumed.
    expect(cloud.requests.filter(({ operation }) => operation === 'ListParts').length).toBeLessThanOrEqual(KILLS);
  });
});
