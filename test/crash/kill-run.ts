import { join } from 'node:path';
import { LocalCloud } from '../local-cloud/local-cloud';
import { adminPolicy } from '../local-cloud/seed-policies';
import { Device } from '../support/device';
import { Arrivals } from './arrivals';
import { drawKillMoment } from './kill-moment';
import { MixedLoad } from './mixed-load';
import { SeededRandom } from './seeded-random';

const MIB = 1024 * 1024;
const PARALLEL_FILES = 8;
const PARALLEL_PARTS = 3;
const PART_BYTES = 5 * MIB;
const SINGLE_PUT_MAX_BYTES = 1 * MIB;
/** Files of one commit window. */
const WINDOW_FILES = 256;
const TOKEN_SECONDS = 2;
const FINISH_WITHIN_MS = 180_000;
const BUCKET = 'fleet-bucket';
const PREFIX = 'device00/outbox/';

/** The promise, per kill. */
export const MOST_SENT_TWICE = PARALLEL_FILES * PARALLEL_PARTS + WINDOW_FILES;

/** A device under a load that never ends, killed again and again. */
export class KillRun {
  readonly problems: string[] = [];
  kills = 0;
  mostTwice = 0;
  #restarts = 0;
  #orphans = 0;
  readonly #moments = new Map<string, number>();

  private constructor(
    private readonly device: Device,
    private cloud: LocalCloud,
    private readonly cloudDir: string,
    private readonly load: MixedLoad,
    private readonly arrivals: Arrivals,
    private readonly random: SeededRandom,
    /** Of what happens while a life lasts: how often that is, no seed decides. */
    private readonly meanwhile: SeededRandom,
  ) {}

  static async create(dir: string, seed: number): Promise<KillRun> {
    const cloudDir = join(dir, 'cloud');
    const cloud = await LocalCloud.start({ dir: cloudDir });
    const device = await Device.create({
      dir: join(dir, 'device'),
      cloud,
      bucket: BUCKET,
      config: {
        upload: {
          parallelFiles: PARALLEL_FILES,
          parallelParts: PARALLEL_PARTS,
          partSizeBytes: PART_BYTES,
          singlePutMaxBytes: SINGLE_PUT_MAX_BYTES,
        },
      },
    });
    cloud.createRoleAlias('courier', { policy: adminPolicy(), durationSeconds: TOKEN_SECONDS });
    const random = new SeededRandom(seed);
    const load = new MixedLoad(device.outbox, random, {
      partBytes: PART_BYTES,
      singlePutMaxBytes: SINGLE_PUT_MAX_BYTES,
    });
    return new KillRun(
      device,
      cloud,
      cloudDir,
      load,
      new Arrivals(load, BUCKET, PREFIX),
      random,
      new SeededRandom(seed + 1),
    );
  }

  get summary(): string {
    const moments = [...this.#moments].sort().map(([name, times]) => `${name} ${times}`);
    return [
      `${this.kills} kills (${this.#restarts} with a restart of the cloud), ${this.load.summary}`,
      `${this.problems.length} lost or altered`,
      `sent twice ${this.arrivals.sentTwice} of ${this.arrivals.requests} requests (at most ${this.mostTwice} after a kill, allowed ${MOST_SENT_TWICE})`,
      `${this.#orphans} multipart uploads nobody knows of, ${this.arrivals.renewals} tokens`,
      `killed at: ${moments.join(', ')}`,
    ].join('; ');
  }

  get output(): string {
    return this.device.output;
  }

  async killOnce(): Promise<void> {
    const { random, device, cloud } = this;
    this.#replenish();
    const moment = drawKillMoment(random);
    const restart = random.chance(0.15);
    this.#moments.set(moment.name, (this.#moments.get(moment.name) ?? 0) + 1);
    const time = moment.arm(cloud)();
    device.start();
    this.#stir();
    await time;
    if (!device.isRunning) this.problems.push(`the daemon ended by itself before kill ${this.kills + 1}`);
    const cloudGone = restart && random.chance(0.5) ? cloud.stop() : undefined;
    await device.kill();
    this.kills += 1;
    await cloudGone;
    cloud.faults.clear();
    this.#read();
    if (restart) await this.#restartCloud();
  }

  /** The last life, in which all gets done. */
  async finish(): Promise<void> {
    const { device, cloud } = this;
    device.start();
    await device
      .waitFor(
        'everything sent',
        ({ uploads, outboxes }) =>
          uploads.queued + uploads.uploading === 0 &&
          outboxes[0]?.lastScanAtMs !== undefined &&
          this.load.hasArrived(cloud, BUCKET, PREFIX),
        FINISH_WITHIN_MS,
      )
      .then(
        ({ uploads }) => {
          if (uploads.failed > 0) this.problems.push(`${uploads.failed} failed`);
        },
        (error: Error) => this.problems.push(error.message.split('\n', 2).join(' ')),
      );
    const code = await device.stop();
    if (code !== 0) this.problems.push(`ended with ${code}`);
    this.#read();
    this.problems.push(...(await this.load.findProblems(cloud, BUCKET, PREFIX)));
    for (const said of ['ledger set aside', 'broken, ending', 'refused by the account'])
      if (device.output.includes(said)) this.problems.push(`the daemon said: ${said}`);
    this.#orphans = cloud.multipartUploads(BUCKET).length;
    if (this.#orphans > this.kills) this.problems.push(`${this.#orphans} multipart uploads left open`);
  }

  async end(): Promise<void> {
    await this.device.kill();
    await this.cloud.stop();
  }

  #read(): void {
    const before = this.arrivals.sentTwice;
    this.problems.push(...this.arrivals.read(this.cloud));
    const twice = this.arrivals.sentTwice - before;
    this.mostTwice = Math.max(this.mostTwice, twice);
    if (twice > MOST_SENT_TWICE) this.problems.push(`${twice} requests sent twice after kill ${this.kills}`);
  }

  async #restartCloud(): Promise<void> {
    const { s3Port, credentialsPort } = this.cloud;
    await this.cloud.stop();
    this.cloud = await LocalCloud.start({ dir: this.cloudDir, s3Port, credentialsPort });
    this.#restarts += 1;
  }

  #replenish(): void {
    const { load, random } = this;
    load.addSmall(random.between(5, 40));
    load.replaceSmall();
    // One is always on its way, within what a test's disk may hold.
    if (load.large <= this.kills / 4 && load.hasArrived(this.cloud, BUCKET, PREFIX, 'large')) load.addLarge();
    if (random.chance(0.1)) load.replaceLarge();
  }

  /** While it runs. */
  #stir(): void {
    const { load, meanwhile, cloud } = this;
    cloud
      .nextRequest(({ operation }) => operation === 'PutObject')
      .then(() => {
        load.addSmall(meanwhile.between(0, 5));
        for (let i = meanwhile.between(0, 2); i > 0; i--) load.replaceSmall();
      })
      .catch(() => undefined);
  }
}
