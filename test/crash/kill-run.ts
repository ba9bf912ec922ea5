import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalCloud } from '../local-cloud/local-cloud';
import { adminPolicy } from '../local-cloud/seed-policies';
import { Device } from '../support/device';
import { Arrivals } from './arrivals';
import { damageLedger } from './damage-ledger';
import { Deliveries } from './deliveries';
import { drawKillMoment } from './kill-moment';
import { MixedLoad, type Version } from './mixed-load';
import { SeededRandom } from './seeded-random';
import { SpoolView } from './spool-view';

/** How the device takes files: from where they lie, or out of the outbox into its spool, to be deleted in the end. */
export type KillMode = 'in place' | 'claimed';

const MIB = 1024 * 1024;
const PARALLEL_FILES = 8;
const PARALLEL_PARTS = 3;
const PART_BYTES = 5 * MIB;
const SINGLE_PUT_MAX_BYTES = 1 * MIB;
/** Files of one commit window. */
const WINDOW_FILES = 256;
const TOKEN_SECONDS = 2;
const FINISH_WITHIN_MS = 180_000;
const CLAIMED_WITHIN_MS = 30_000;
/** Files at once, enough for the thread of large claims. */
const BURST = 300;
const POLL_MS = 2;
const BUCKET = 'fleet-bucket';
const PREFIX = 'device00/outbox/';
const OUTBOX: Record<KillMode, object> = {
  'in place': { rescanSeconds: 0.2, settleSeconds: 0, claim: 'leave' },
  claimed: { rescanSeconds: 0.2, settleSeconds: 0, claim: 'move', deleteGraceSeconds: 0.1 },
};

/** The promise, per kill. */
const MOST_SENT_TWICE = PARALLEL_FILES * PARALLEL_PARTS + WINDOW_FILES;

/** A device under a load that never ends, killed again and again. */
export class KillRun {
  readonly problems: string[] = [];
  kills = 0;
  mostTwice = 0;
  #restarts = 0;
  #bursts = 0;
  #orphans = 0;
  #offline = 0;
  #sentAndThere = 0;
  #mostWaiting = 0;
  /** Requests that a lost ledger may have sent again, beyond those of the kill. */
  #forgotten = 0;
  /** How each life ended. */
  readonly #history: string[] = [];
  readonly #damages = new Map<string, number>();
  readonly #moments = new Map<string, number>();

  private constructor(
    private readonly device: Device,
    private cloud: LocalCloud,
    private readonly startCloud: (ports?: { s3Port: number; credentialsPort: number }) => Promise<LocalCloud>,
    private readonly load: MixedLoad,
    private readonly deliveries: Deliveries,
    private readonly arrivals: Arrivals,
    private readonly random: SeededRandom,
    /** Of what happens while a life lasts: how often that is, no seed decides. */
    private readonly meanwhile: SeededRandom,
    /** Only where files are claimed. */
    private readonly spool: SpoolView | undefined,
  ) {}

  static async create(dir: string, seed: number, mode: KillMode): Promise<KillRun> {
    const deviceDir = join(dir, 'device');
    const outbox = join(deviceDir, 'outbox');
    const random = new SeededRandom(seed);
    const load = new MixedLoad(outbox, random, { partBytes: PART_BYTES, singlePutMaxBytes: SINGLE_PUT_MAX_BYTES });
    let spool: SpoolView | undefined;
    const isSpooled = ({ mtimeSeconds }: Version): boolean => spool?.mtimes().includes(mtimeSeconds) ?? false;
    const deliveries = new Deliveries(load, PREFIX, isSpooled);
    const startCloud = (ports = {}): Promise<LocalCloud> =>
      LocalCloud.start({
        dir: join(dir, 'cloud'),
        ...ports,
        onStored: (object) => deliveries.onStored(object),
      });
    const cloud = await startCloud();
    const device = await Device.create({
      dir: deviceDir,
      cloud,
      bucket: BUCKET,
      config: {
        outboxes: [{ path: outbox, ...OUTBOX[mode] }],
        upload: {
          parallelFiles: PARALLEL_FILES,
          parallelParts: PARALLEL_PARTS,
          partSizeBytes: PART_BYTES,
          singlePutMaxBytes: SINGLE_PUT_MAX_BYTES,
        },
      },
    });
    cloud.createRoleAlias('courier', { policy: adminPolicy(), durationSeconds: TOKEN_SECONDS });
    if (mode === 'claimed') spool = await askForSpool(device);
    const arrivals = new Arrivals(load, PREFIX);
    const meanwhile = new SeededRandom(seed + 1);
    return new KillRun(device, cloud, startCloud, load, deliveries, arrivals, random, meanwhile, spool);
  }

  get summary(): string {
    const told = [
      `${this.kills} kills (${this.#restarts} with a restart of the cloud), ${this.load.summary}, ${this.#bursts} bursts of ${BURST}`,
      `${this.problems.length} lost or altered`,
      `sent twice ${this.arrivals.sentTwice} of ${this.arrivals.requests} requests (at most ${this.mostTwice} after a kill, allowed ${MOST_SENT_TWICE})`,
      `${this.#orphans} multipart uploads nobody knows of, ${this.arrivals.renewals} tokens`,
    ];
    if (this.spool !== undefined) {
      const withoutRow = this.output.split('claimed files without a row are queued').length - 1;
      told.push(
        `${withoutRow} starts found claimed files without a row, ${this.#sentAndThere} kills left delivered files in the spool, ${this.#offline} lives offline`,
        `ledger lost: ${format(this.#damages)}, with ${this.#mostWaiting} versions waiting at most`,
        `${this.deliveries.late} versions beside a newer one`,
      );
    }
    return [...told, `killed at: ${format(this.#moments)}`].join('; ');
  }

  get output(): string {
    return this.device.output;
  }

  async killOnce(): Promise<void> {
    const { random, device, cloud, spool } = this;
    this.#replenish();
    const moment = drawKillMoment(random, spool);
    const restart = random.chance(0.15);
    const isOffline = spool !== undefined && random.chance(0.2);
    spool?.watch();
    if (isOffline) await cloud.goOffline();
    const name = isOffline ? 'offline' : moment.name;
    this.#moments.set(name, (this.#moments.get(name) ?? 0) + 1);
    this.#history.push(restart ? `${name}, cloud restarted` : name);
    const time = isOffline ? undefined : moment.arm(cloud)();
    device.start();
    if (isOffline) await this.#dropOffline();
    else this.#stir();
    await time;
    if (!device.isRunning) this.problems.push(`the daemon ended by itself before kill ${this.kills + 1}`);
    const cloudGone = restart && random.chance(0.5) ? cloud.stop() : undefined;
    await device.kill();
    this.kills += 1;
    await cloudGone;
    spool?.unwatch();
    cloud.faults.clear();
    this.#read();
    if (spool !== undefined) this.#lookIntoSpool(spool);
    if (restart) await this.#restartCloud();
    else if (isOffline) await cloud.goOnline();
  }

  /** The last life, in which all gets done. */
  async finish(): Promise<void> {
    const { device, cloud, spool } = this;
    device.start();
    await device
      .waitFor(
        'everything sent',
        ({ uploads, outboxes: [outbox] }) =>
          uploads.queued + uploads.uploading === 0 &&
          outbox?.lastScanAtMs !== undefined &&
          this.load.hasArrived(cloud, BUCKET, PREFIX) &&
          (spool === undefined || (outbox.files + outbox.restless + outbox.sent === 0 && spool.entries().length === 0)),
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
    for (const { key } of cloud.objects(BUCKET))
      if (!this.deliveries.isOurs(key)) this.problems.push(`nobody's: ${key}`);
    if (spool !== undefined) this.#findLeftovers(spool);
    const aside = device.output.split('ledger set aside').length - 1;
    const damaged = [...this.#damages.values()].reduce((sum, times) => sum + times, 0);
    if (aside > damaged) this.problems.push(`the ledger was set aside ${aside} times, it was damaged ${damaged} times`);
    for (const said of ['broken, ending', 'refused by the account'])
      if (device.output.includes(said)) this.problems.push(`the daemon said: ${said}`);
    this.#orphans = cloud.multipartUploads(BUCKET).length;
    if (this.#orphans > this.kills) this.problems.push(`${this.#orphans} multipart uploads left open`);
  }

  async end(): Promise<void> {
    this.spool?.unwatch();
    await this.device.kill();
    await this.cloud.stop();
  }

  #read(): void {
    const before = this.arrivals.sentTwice;
    this.arrivals.read(this.cloud);
    for (const problem of this.deliveries.problems.splice(0))
      this.problems.push(`${problem}, in life ${this.kills} (${this.#history.slice(-4).join(' / ')})`);
    const twice = this.arrivals.sentTwice - before;
    this.mostTwice = Math.max(this.mostTwice, twice);
    if (twice > MOST_SENT_TWICE + this.#forgotten)
      this.problems.push(`${twice} requests sent twice after kill ${this.kills}`);
    this.#forgotten = Math.max(0, this.#forgotten - Math.max(0, twice));
  }

  async #restartCloud(): Promise<void> {
    const { s3Port, credentialsPort } = this.cloud;
    await this.cloud.stop();
    this.cloud = await this.startCloud({ s3Port, credentialsPort });
    this.#restarts += 1;
  }

  #replenish(): void {
    const { load, random } = this;
    const isBurst = random.chance(0.08);
    if (isBurst) this.#bursts += 1;
    load.addSmall(isBurst ? BURST : random.between(5, 40));
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

  /** New versions of a few names, each when the one before has left the outbox: they pile up in the spool. */
  async #dropOffline(): Promise<void> {
    const { load, random, device } = this;
    const first = random.between(1, 10);
    for (let round = random.between(1, 4); round > 0; round--) {
      for (const which of [first, first + 1, first + 2]) load.replaceSmall(which);
      if (random.chance(0.05)) load.replaceLarge();
      const dropped = load.versions.slice(-3);
      const deadline = Date.now() + CLAIMED_WITHIN_MS;
      while (dropped.some(({ name }) => existsSync(join(device.outbox, name)))) {
        if (Date.now() > deadline) this.problems.push(`not claimed: ${dropped.map(({ name }) => name).join(', ')}`);
        if (Date.now() > deadline || !device.isRunning) return;
        await delay(POLL_MS);
      }
    }
    load.replaceSmall(first); // perhaps in the middle of its claim
    await delay(random.between(0, 25));
    this.#offline += 1;
  }

  /** Of a daemon that has just been killed; sometimes its ledger is lost with it. */
  #lookIntoSpool(spool: SpoolView): void {
    const versions = spool.mtimes().map((mtimeSeconds) => this.load.findVersion(mtimeSeconds)!);
    const waiting = versions.filter((version) => !this.deliveries.has(version)).length;
    if (waiting < versions.length) this.#sentAndThere += 1;
    if (!this.random.chance(waiting > 0 ? 0.25 : 0.05)) return;
    const damage = damageLedger(this.device.stateDir, this.random);
    if (damage === undefined) return;
    this.#history.push(`ledger ${damage}`);
    this.#damages.set(damage, (this.#damages.get(damage) ?? 0) + 1);
    this.#mostWaiting = Math.max(this.#mostWaiting, waiting);
    this.#forgotten += versions.reduce((sum, { bytes }) => sum + this.load.partsOf(bytes), 0);
  }

  #findLeftovers(spool: SpoolView): void {
    this.problems.push(...this.deliveries.findLost());
    for (const entry of spool.entries()) this.problems.push(`left in the spool: ${entry}`);
    const outbox = new SpoolView(this.device.outbox);
    if (outbox.mtimes().length > 0)
      this.problems.push(`left in the outbox: ${outbox.mtimes().length} files of ${outbox.entries().join(', ')}`);
  }
}

const format = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .sort()
    .map(([name, times]) => `${name} ${times}`)
    .join(', ') || 'never';

/** A first life that only tells where the spool is. */
async function askForSpool(device: Device): Promise<SpoolView> {
  device.start();
  const { outboxes } = await device.waitFor('a spool', (status) => status.outboxes[0]?.spool !== undefined);
  await device.stop();
  return new SpoolView(outboxes[0]!.spool!);
}
