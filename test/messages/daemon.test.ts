import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalCloud } from '../local-cloud/local-cloud';
import { courierIotPolicy } from '../local-cloud/seed-iot-policies';
import { Device } from '../support/device';
import { until } from '../support/until';

describe('the built daemon with MQTT', () => {
  let dir: string;
  let cloud: LocalCloud;
  let device: Device;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'daemon-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    const mqtt = { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile };
    device = await Device.create({ dir: join(dir, 'device'), cloud, config: { mqtt } });
  });
  afterEach(async () => {
    await device.stop();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('connects, and ends in time', async () => {
    await cloud.createThing(device.thing, { certificatePolicy: courierIotPolicy(cloud) });
    device.start();
    await device.waitFor('connected', ({ mqtt }) => mqtt?.state === 'connected');
    expect(cloud.mqtt.clientIds).toEqual([device.thing]);
    const sinceMs = performance.now();
    expect(await device.stop()).toBe(0);
    expect(performance.now() - sinceMs).toBeLessThan(4_000);
    // The broker hears of the end a moment after the process is gone.
    await until(
      'no client',
      () => cloud.mqtt.clientIds.length === 0,
      () => cloud.mqtt.clientIds,
    );
  });

  it('without iot:Connect says so in its status, and files go on', async () => {
    writeFileSync(join(device.outbox, 'a.txt'), 'hello');
    device.start();
    await device.delivered(1);
    const { mqtt } = await device.waitFor('off', (status) => status.mqtt?.state === 'off');
    expect(mqtt?.reason).toMatch(/allow iot:Connect on arn:aws:iot:<region>:<account>:client\/device00 in/);
    await device.stop();
    expect(device.output.match(/"level":"error"/g)).toHaveLength(1);
  });
});
