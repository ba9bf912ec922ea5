import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import type { OnExisting } from '../../src/download/landing';
import { LocalCloud } from '../local-cloud/local-cloud';
import { adminPolicy } from '../local-cloud/seed-policies';
import { adminS3 } from '../support/admin-s3';
import { Device } from '../support/device';
import { InboxLoad } from './inbox-load';
import { aroundLanding, drawKillMoment } from './kill-moment';
import { SeededRandom } from './seeded-random';

const OPERATIONS = ['ListObjectsV2', 'HeadObject', 'GetObject', 'CopyObject', 'DeleteObject'];
const LANDED_IN = ['s0', 's1', 's2', 'replaced'];
const BUCKET = 'fleet-bucket';
const TOKEN_SECONDS = 2;
const FINISH_WITHIN_MS = 180_000;

/** A device to which objects are put without end, killed again and again. */
export class InboxKillRun {
  readonly problems: string[] = [];
  kills = 0;
  #restarts = 0;
  #resumed = 0;
  #s3: S3Client;
  readonly #moments = new Map<string, number>();
  readonly #history: string[] = [];

  private constructor(
    private readonly device: Device,
    private cloud: LocalCloud,
    private readonly startCloud: (ports?: { s3Port: number; credentialsPort: number }) => Promise<LocalCloud>,
    private readonly load: InboxLoad,
    private readonly random: SeededRandom,
  ) {
    this.#s3 = adminS3(cloud);
  }

  static async create(dir: string, seed: number, onExisting: OnExisting): Promise<InboxKillRun> {
    const random = new SeededRandom(seed);
    const folder = join(dir, 'device', 'inbox');
    const load = new InboxLoad(folder, random, onExisting);
    const startCloud = (ports = {}): Promise<LocalCloud> =>
      LocalCloud.start({ dir: join(dir, 'cloud'), ...ports, onStored: (object) => load.onStored(object) });
    const cloud = await startCloud();
    const device = await Device.create({
      dir: join(dir, 'device'),
      cloud,
      bucket: BUCKET,
      config: { outboxes: [], inbox: { dir: folder, onExisting, pollMinutes: 0.002 } },
    });
    cloud.createRoleAlias('courier', { policy: adminPolicy(), durationSeconds: TOKEN_SECONDS });
    return new InboxKillRun(device, cloud, startCloud, load, random);
  }

  get summary(): string {
    const moments = [...this.#moments].sort().map(([name, times]) => `${name} ${times}`);
    return `${this.kills} kills (${this.#restarts} with a restart of the cloud), ${this.load.summary}, ${this.load.replaced} replaced; ${this.problems.length} lost, altered, doubled or deleted too early; ${this.#resumed} bodies resumed; killed at: ${moments.join(', ')}`;
  }

  get output(): string {
    return this.device.output;
  }

  async killOnce(): Promise<void> {
    const { random, device, cloud } = this;
    await this.load.put(this.#s3, BUCKET, random.chance(0.4) ? 1 : 0);
    const moment = random.chance(0.3)
      ? aroundLanding(random, join(device.dir, 'inbox', random.pick(LANDED_IN)))
      : drawKillMoment(random, undefined, OPERATIONS);
    const restart = random.chance(0.15);
    this.#moments.set(moment.name, (this.#moments.get(moment.name) ?? 0) + 1);
    this.#history.push(restart ? `${moment.name}, cloud restarted` : moment.name);
    const time = moment.arm(cloud)();
    const stirred = this.#stir();
    device.start();
    await time;
    if (!device.isRunning) this.problems.push(`the daemon ended by itself before kill ${this.kills + 1}`);
    const cloudGone = restart && random.chance(0.5) ? cloud.stop() : undefined;
    await device.kill();
    this.kills += 1;
    await cloudGone;
    cloud.faults.clear();
    if (restart) await this.#restartCloud();
    await stirred();
    this.#read();
    this.load.judge(this.cloud, BUCKET);
    this.#note();
  }

  /** The last life, in which all gets done. */
  async finish(): Promise<void> {
    const { device, cloud, load } = this;
    device.start();
    await device
      .waitFor(
        'everything fetched',
        ({ inbox }) => inbox?.lastLookAtMs !== undefined && inbox.open === 0 && load.isDone(cloud, BUCKET),
        FINISH_WITHIN_MS,
      )
      .then(
        ({ inbox }) => {
          if (inbox!.failed > 0) this.problems.push(`${inbox!.failed} failed`);
        },
        (error: Error) => this.problems.push(error.message.split('\n', 2).join(' ')),
      );
    const code = await device.stop();
    if (code !== 0) this.problems.push(`ended with ${code}`);
    this.#read();
    await load.judgeEnd(cloud, BUCKET);
    this.#note();
    for (const said of ['broken, ending', 'ledger set aside', 'object cannot be taken'])
      if (device.output.includes(said)) this.problems.push(`the daemon said: ${said}`);
  }

  async end(): Promise<void> {
    await this.device.kill();
    this.#s3.destroy();
    await this.cloud.stop();
  }

  #note(): void {
    for (const problem of this.load.problems.splice(0))
      this.problems.push(`${problem}, in life ${this.kills} (${this.#history.slice(-3).join(' / ')})`);
  }

  #read(): void {
    for (const { operation, status } of this.cloud.requests)
      if (operation === 'GetObject' && status === 206) this.#resumed += 1;
    this.cloud.clearRequests();
  }

  /** Some objects are replaced while the device has them in hand. @returns resolves when S3 has answered to all */
  #stir(): () => Promise<void> {
    let putting: Promise<void> | undefined;
    const replace = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) await this.load.replace(this.#s3, BUCKET);
    };
    const { cloud } = this;
    for (const operation of ['HeadObject', 'CopyObject'])
      void cloud
        .nextRequest((record) => record.operation === operation)
        .then(() => {
          putting ??= replace().catch(() => undefined); // the cloud is gone: what it has taken, it has told
        })
        .catch(() => undefined);
    return async () => putting;
  }

  async #restartCloud(): Promise<void> {
    const { s3Port, credentialsPort } = this.cloud;
    await this.cloud.stop();
    this.cloud = await this.startCloud({ s3Port, credentialsPort });
    this.#s3.destroy();
    this.#s3 = adminS3(this.cloud);
    this.#restarts += 1;
  }
}
