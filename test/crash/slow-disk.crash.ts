import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LocalCloud } from '../local-cloud/local-cloud';
import { Device } from '../support/device';

const FILES = 200;
const STOP_MS = 5_000;

describe('a disk whose flushes take half a second', () => {
  let dir: string;
  let cloud: LocalCloud;
  let device: Device;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'courier-slow-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    device = await Device.create({
      dir: join(dir, 'device'),
      cloud,
      config: {
        outboxes: [{ path: join(dir, 'device/outbox'), settleSeconds: 0, rescanSeconds: 0.2, deleteGraceSeconds: 0 }],
      },
    });
    const shim = join(dir, 'slow-sync.so');
    execFileSync('cc', ['-shared', '-fPIC', '-o', shim, resolve(__dirname, 'slow-sync.c'), '-ldl']);
    device.start([], [], ['env', `LD_PRELOAD=${shim}`]);
  });

  afterEach(async () => {
    await device.kill();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('does not keep the daemon from answering, delivering, and stopping in time', async () => {
    await device.waitFor('it runs', () => true);
    for (let i = 0; i < FILES; i++) writeFileSync(join(device.outbox, `f${i}`), `content ${i}`);
    let answers = 0;
    let longestMs = 0;
    for (let done = 0; done < FILES / 2; answers++) {
      const asked = performance.now();
      ({
        uploads: { done },
      } = await device.status());
      longestMs = Math.max(longestMs, performance.now() - asked);
    }
    const stopping = performance.now();
    expect(await device.stop()).toBe(0);
    const stoppedMs = performance.now() - stopping;
    console.log(
      `${answers} answers while it worked, the slowest after ${Math.round(longestMs)} ms; stopped in ${Math.round(stoppedMs)} ms`,
    );
    expect(stoppedMs).toBeLessThan(STOP_MS);
    device.start();
    await device.delivered(FILES);
    expect(cloud.objects('fleet-bucket')).toHaveLength(FILES);
    expect(readdirSync(device.outbox)).toEqual([]);
  }, 300_000);
});
