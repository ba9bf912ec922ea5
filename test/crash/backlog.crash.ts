import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalCloud } from '../local-cloud/local-cloud';
import { Device } from '../support/device';
import { settingsFromEnv } from './run-settings';

const { full } = settingsFromEnv(process.env);
const FILES = full ? 100_000 : 10_000;
const MAX_RSS_KIB = 150 * 1024;
const TICKS_PER_SECOND = 100;

/** What a file weighs while it waits. */
describe('a backlog', () => {
  let dir: string;
  let cloud: LocalCloud;
  let device: Device;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'courier-backlog-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
  });

  afterEach(async () => {
    await device.kill();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const cpuSeconds = (): number => {
    const fields = readFileSync(`/proc/${device.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  };
  const peakKib = (): number =>
    Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${device.pid}/status`, 'latin1'))![1]);

  /** @returns CPU and wall time a file of both halves, the first tenth left out: it pays for the start */
  async function claim(files: number): Promise<{ halves: number[]; filesPerSecond: number }> {
    device = await Device.create({
      dir: join(dir, String(files)),
      cloud,
      config: { outboxes: [{ path: join(dir, String(files), 'outbox'), settleSeconds: 1, rescanSeconds: 3_600 }] },
    });
    for (let i = 0; i < files; i++) {
      const folder = join(device.outbox, `day-${Math.floor(i / 5_000)}`);
      if (i % 5_000 === 0) mkdirSync(folder);
      writeFileSync(join(folder, `${i}.csv`), `row ${i}\n`);
    }
    device.start([], ['--max-semi-space-size=4', '--max-old-space-size=64']);
    const marks: { files: number; cpu: number; ms: number }[] = [];
    for (const share of [0.1, 0.5, 1]) {
      const { uploads } = await device.waitFor(
        `${files * share} files wait`,
        ({ uploads: { queued, uploading } }) => queued + uploading >= files * share,
        480_000,
      );
      marks.push({ files: uploads.queued + uploads.uploading, cpu: cpuSeconds(), ms: performance.now() });
    }
    const [first, half, end] = marks as [(typeof marks)[0], (typeof marks)[0], (typeof marks)[0]];
    const cost = (from: typeof first, to: typeof first): number =>
      Math.round(((to.cpu - from.cpu) / (to.files - from.files)) * 1e6);
    return {
      halves: [cost(first, half), cost(half, end)],
      filesPerSecond: Math.round(((end.files - first.files) / (end.ms - first.ms)) * 1000),
    };
  }

  it(`of ${FILES} files is claimed within 150 MiB`, async () => {
    await cloud.goOffline();
    const { halves, filesPerSecond } = await claim(FILES);
    const kib = peakKib();
    console.log(
      `${FILES} files: ${halves[0]} µs CPU a file in the first half, ${halves[1]} in the second; ` +
        `${filesPerSecond} files/s; peak RSS ${Math.round(kib / 1024)} MiB`,
    );
    expect(kib).toBeLessThanOrEqual(MAX_RSS_KIB);
  }, 900_000);

  it('is delivered whole, in order, after a restart', async () => {
    const files = full ? 5_000 : 1_000;
    await cloud.goOffline();
    await claim(files);
    await device.kill();
    await cloud.goOnline();
    device.start();
    await device.delivered(files, 300_000);
    for (const i of [0, 1, files - 1]) {
      const key = `device00/outbox/day-${Math.floor(i / 5_000)}/${i}.csv`;
      const chunks: Buffer[] = [];
      for await (const chunk of cloud.readObject('fleet-bucket', key)) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).toString()).toBe(`row ${i}\n`);
    }
    expect(cloud.objects('fleet-bucket')).toHaveLength(files);
  }, 600_000);
});
