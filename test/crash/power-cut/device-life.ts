import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync, watch } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalCloud } from '../../local-cloud/local-cloud';
import { Device } from '../../support/device';
import { until } from '../../support/until';
import type { SentJob } from '../job-sender';
import type { SeededRandom } from '../seeded-random';
import { takesJobs } from '../takes-jobs';
import { copyCloud, readLines } from './cloud-copy';
import { DiskImage } from './disk-image';
import { type InboxHistory, readHistory } from './inbox-history';
import { InboxTraffic } from './inbox-traffic';
import { JobsTraffic } from './jobs-traffic';
import { ProducerLog } from './producer-log';
import { Versions } from './versions';
import { Writers } from './writers';

/** A burst makes a batch whose sync is one of the whole file system: it makes good what others may have left undone. */
export type Load = 'bursts' | 'trickle';

/** All there was at a moment. */
export interface Moment {
  readonly number: number;
  readonly atMs: number;
  readonly image: string;
  readonly cloudDir: string;
  readonly versions: Versions;
  readonly inbox: InboxHistory;
  /** In the order in which they were sent. */
  readonly jobs: readonly SentJob[];
}

const DISK_MIB = 96;
const BUCKET = 'fleet-bucket';
export const PREFIX = 'device00/outbox/';
const PRODUCER = resolve(__dirname, 'producer.ts');
const ROOT = resolve(__dirname, '../../..');
const MIB = 1024 * 1024;
/** A kill waits so long for a batch at most. */
const BATCH_MS = 1_500;

/** A device under load, on a disk of its own whose power can be cut without its noticing. */
export class DeviceLife {
  kills = 0;
  offline = 0;
  /** Copies during which the disk took a write. */
  discarded = 0;
  #isOnline = true;
  #spool = '';
  #producer: ChildProcess | undefined;
  #traffic: InboxTraffic | undefined;
  #jobs: JobsTraffic | undefined;
  readonly #writers = new Writers();

  private constructor(
    private readonly dir: string,
    private readonly disk: DiskImage,
    private readonly cloud: LocalCloud,
    readonly device: Device,
    private readonly random: SeededRandom,
    private readonly seed: number,
    private readonly load: Load,
  ) {}

  static async begin(dir: string, random: SeededRandom, seed: number, load: Load): Promise<DeviceLife> {
    const at = join(dir, 'disk');
    mkdirSync(at, { recursive: true });
    const disk = DiskImage.create(join(dir, 'disk.img'), at, DISK_MIB);
    disk.mount();
    const cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    const outbox = {
      path: join(at, 'outbox'),
      rescanSeconds: 0.2,
      settleSeconds: 0.3,
      openWriterSeconds: 1,
      deleteGraceSeconds: 0.5,
    };
    const { certificatePolicy, config } = takesJobs(cloud, at);
    const device = await Device.create({
      dir: at,
      cloud,
      bucket: BUCKET,
      certificatePolicy,
      config: {
        ...config,
        upload: { parallelFiles: 4, parallelParts: 2, partSizeBytes: 5 * MIB, singlePutMaxBytes: MIB / 4 },
        outboxes: [outbox],
        inbox: { dir: join(at, 'inbox'), pollMinutes: 0.005 },
      },
    });
    mkdirSync(join(at, 'incoming'));
    mkdirSync(join(at, 'logs'));
    const life = new DeviceLife(dir, disk, cloud, device, random, seed, load);
    life.#jobs = new JobsTraffic(cloud, BUCKET, join(at, 'logs'), seed);
    disk.sync(); // the device was installed long ago
    await life.#start();
    return life;
  }

  get ports(): { s3Port: number; credentialsPort: number; mqttPort: number } {
    const { s3Port, credentialsPort, mqtt } = this.cloud;
    return { s3Port, credentialsPort, mqttPort: mqtt.port };
  }

  /** Something else than the load happens, or nothing. */
  async stir(): Promise<void> {
    const dice = this.random.next();
    if (dice < (this.#isOnline ? 0.3 : 0.6)) await this.#toggleLink();
    else if (dice > 0.9) await this.#killInBatch();
  }

  /** @returns undefined when the disk did not become still */
  async cutPower(number: number): Promise<Moment | undefined> {
    const image = join(this.dir, `cut-${number}.img`);
    const cloudDir = join(this.dir, `cut-${number}.cloud`);
    await this.#writers.stop([this.#producer!.pid!, this.device.pid!]);
    try {
      const discarded = await this.disk.copyTo(image);
      if (discarded === undefined) return undefined;
      this.discarded += discarded;
      copyCloud(join(this.dir, 'cloud'), cloudDir);
      const versions = new Versions(ProducerLog.read(this.#logFile));
      const inbox = readHistory(readLines(cloudDir));
      const jobs = [...this.#jobs!.jobs];
      return { number, atMs: Date.now(), image, cloudDir, versions, inbox, jobs };
    } finally {
      this.#writers.goOn();
    }
  }

  /** The disk is free for the copies, and the ports for their clouds. */
  async end(): Promise<void> {
    await Promise.all([this.#traffic?.stop(), this.#jobs?.stop()]);
    if (this.#producer !== undefined && this.#producer.exitCode === null) {
      this.#producer.kill('SIGKILL');
      await once(this.#producer, 'exit');
    }
    await this.device.kill();
    await this.cloud.stop();
    this.disk.unmount();
  }

  async #start(): Promise<void> {
    const { device, disk } = this;
    device.start();
    const { outboxes } = await device.waitFor(
      'a first look',
      (status) => status.outboxes[0]?.lastScanAtMs !== undefined,
    );
    if (outboxes[0]?.spool === undefined) throw new Error('the daemon does not claim');
    this.#spool = outboxes[0].spool;
    disk.sync();
    const args = [device.outbox, join(device.dir, 'incoming'), this.#logFile, String(this.seed), this.load];
    this.#producer = spawn(process.execPath, ['--import', 'tsx', PRODUCER, ...args], {
      cwd: ROOT,
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    this.#traffic = new InboxTraffic(this.cloud, BUCKET, this.seed).start();
    this.#jobs!.start();
    await until('the producer has begun', () => (statSync(this.#logFile, { throwIfNoEntry: false })?.size ?? 0) > 0);
  }

  async #toggleLink(): Promise<void> {
    this.#isOnline = !this.#isOnline;
    if (this.#isOnline) await this.cloud.goOnline();
    else await this.cloud.goOffline();
    if (!this.#isOnline) this.offline += 1;
  }

  /** Between the first rename of a batch and its rows, if it comes to that: then only the next start finds it. */
  async #killInBatch(): Promise<void> {
    const { device } = this;
    const watcher = watch(this.#spool);
    await Promise.race([once(watcher, 'change'), delay(BATCH_MS)]);
    watcher.close();
    await device.kill();
    device.start();
    this.kills += 1;
  }

  get #logFile(): string {
    return join(this.dir, 'producer.jsonl');
  }
}
