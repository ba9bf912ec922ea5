import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { LocalCloud } from '../local-cloud/local-cloud';
import { adminS3 } from '../support/admin-s3';
import { Device } from '../support/device';
import { until } from '../support/until';
import { urlPlaceholder } from '../support/url-placeholder';
import { filesOf } from './inbox-workload';
import type { SeededRandom } from './seeded-random';
import { takesJobs } from './takes-jobs';

export interface GigabyteOptions {
  readonly sizeBytes: number;
  readonly kills: number;
  /** Times at which the URL expires in the middle of its body, and the connection is cut. */
  readonly cuts: number;
  readonly urlSeconds: number;
  readonly bytesPerSecond: number;
}

const MIB = 1024 * 1024;
const BUCKET = 'fleet-bucket';
const KEY = 'images/system.img';
const JOB = 'system-image';
const THING = 'device00';
const PATIENCE_MS = 120_000;
/** The promise: of the size. */
const MOST_FETCHED = 1.05;

/** One large file by a job whose URLs expire long before it can be here, to a device that does not stay alive either. */
export class JobsGigabyteRun {
  readonly problems: string[] = [];
  kills = 0;
  #cuts = 0;
  #sent = 0;
  #answers = 0;
  #refused = 0;
  /** When so much has been sent. */
  #mark: { readonly bytes: number; readonly reached: () => Promise<void> } | undefined;
  readonly #beganMs = performance.now();
  #sha256 = '';

  private constructor(
    private readonly cloud: LocalCloud,
    private readonly device: Device,
    private readonly options: GigabyteOptions,
    private readonly random: SeededRandom,
  ) {
    let dueMs = performance.now();
    cloud.settings.onRead = async (_, bytes) => {
      this.#sent += bytes;
      dueMs = Math.max(dueMs, performance.now()) + (bytes / options.bytesPerSecond) * 1000;
      await delay(dueMs - performance.now());
      const mark = this.#mark;
      if (mark === undefined || this.#sent < mark.bytes) return;
      this.#mark = undefined;
      await mark.reached();
    };
  }

  static async create(dir: string, random: SeededRandom, options: GigabyteOptions): Promise<JobsGigabyteRun> {
    const cloud = await LocalCloud.start({ dir: join(dir, 'cloud'), minPresignSeconds: 1 });
    const deviceDir = join(dir, 'device');
    mkdirSync(deviceDir);
    const { certificatePolicy, config } = takesJobs(cloud, deviceDir);
    const device = await Device.create({
      dir: deviceDir,
      cloud,
      bucket: BUCKET,
      certificatePolicy,
      // Longer than a cut is prepared.
      config: { ...config, outboxes: [], upload: { stallSeconds: 60 } },
    });
    return new JobsGigabyteRun(cloud, device, options, random);
  }

  get summary(): string {
    const { sizeBytes, urlSeconds } = this.options;
    const share = ((this.#sent / sizeBytes) * 100).toFixed(2);
    return `${sizeBytes / MIB} MiB by URLs that live ${urlSeconds} s, ${this.kills} kills, ${this.#cuts} cuts after the URL had expired; S3 sent ${this.#sent} bytes (${share} %) in ${this.#answers} answers and refused ${this.#refused}; ${this.#documents} documents; ${((performance.now() - this.#beganMs) / 1000).toFixed(0)} s`;
  }

  get output(): string {
    return this.device.output;
  }

  async run(): Promise<void> {
    const { cloud, device, options, random } = this;
    const { sizeBytes, kills, cuts, urlSeconds } = options;
    await this.#putObject();
    const url = urlPlaceholder({ bucket: BUCKET, key: KEY });
    const document = { operation: 'install', url, path: 'system.img', sha256: this.#sha256 };
    const presignedUrlConfig = { expiresInSec: urlSeconds };
    cloud.jobs.control.createJob({ jobId: JOB, targets: [THING], document, presignedUrlConfig });
    cloud.clearRequests();
    device.start();
    const events = [...Array<'kill'>(kills).fill('kill'), ...Array<'cut'>(cuts).fill('cut')];
    const order = events.map((event) => ({ event, at: random.next() })).sort((a, b) => a.at - b.at);
    for (const [i, { event }] of order.entries()) {
      const bytes = ((i + 0.2 + 0.6 * random.next()) / order.length) * sizeBytes;
      if (event === 'kill') await this.#kill(bytes);
      else await this.#cut(bytes);
    }
    await this.#finish();
  }

  async end(): Promise<void> {
    await this.device.kill();
    await this.cloud.stop();
  }

  async #putObject(): Promise<void> {
    const { cloud, random } = this;
    const { sizeBytes } = this.options;
    const hash = createHash('sha256');
    const bytes = function* (): Generator<Buffer> {
      for (let at = 0; at < sizeBytes; at += MIB) {
        const piece = random.bytes(Math.min(MIB, sizeBytes - at));
        hash.update(piece);
        yield piece;
      }
    };
    const s3 = adminS3(cloud);
    const Body = Readable.from(bytes(), { objectMode: false });
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body, ContentLength: sizeBytes }));
    s3.destroy();
    this.#sha256 = hash.digest('hex');
  }

  /** Some of the times the URL expires while the device is dead. */
  async #kill(bytes: number): Promise<void> {
    const { cloud, device, random } = this;
    await this.#reached(bytes, () => Promise.resolve());
    this.#lookForSecrets(JSON.stringify(await device.status().catch(() => 'it is not up yet')), 'the status');
    await device.kill();
    this.kills += 1;
    this.#lookAround();
    if (random.chance(0.5)) cloud.clockOffsetMs += this.options.urlSeconds * 1000;
    device.start();
  }

  /** The device learns of it by its own clock, or by the answer of a cloud whose clock is ahead of what it has heard. */
  async #cut(bytes: number): Promise<void> {
    const { cloud, random } = this;
    await this.#reached(bytes, async () => {
      if (random.chance(0.5)) cloud.clockOffsetMs += this.options.urlSeconds * 1000 + 1;
      else await until('the URL has expired', () => cloud.clockOffsetMs + Date.now() > this.#expiresAtMs);
      throw new Error('cut');
    });
    this.#cuts += 1;
  }

  /** @param then of the answer under way; rejects to break it off */
  async #reached(bytes: number, then: () => Promise<void>): Promise<void> {
    let isReached = false;
    this.#mark = {
      bytes,
      reached: () =>
        then().finally(() => {
          isReached = true;
        }),
    };
    const state = () => ({ sent: this.#sent, bytes, output: this.device.output.slice(-2_000) });
    await until('so much is sent', () => isReached || !this.device.isRunning, state, PATIENCE_MS);
    if (!isReached) this.problems.push('the daemon ended by itself');
  }

  async #finish(): Promise<void> {
    const { cloud, device } = this;
    const { sizeBytes } = this.options;
    const find = () => cloud.jobs.control.describeJobExecution(JOB, THING);
    const hasEnded = () => !['QUEUED', 'IN_PROGRESS'].includes(find().status);
    await until('the job has ended', hasEnded, () => [find(), device.output.slice(-4_000)], 3 * PATIENCE_MS);
    const { status, statusDetails } = find();
    if (status !== 'SUCCEEDED') this.problems.push(`ended ${status} ${JSON.stringify(statusDetails)}`);
    const told = await device.waitFor('the end is told', ({ jobs }) => jobs?.unreported === 0 && jobs.ended.length > 0);
    this.#lookForSecrets(JSON.stringify(told), 'the status');
    const code = await device.stop();
    if (code !== 0) this.problems.push(`ended with ${code}`);
    this.#lookAround();
    const folder = join(device.dir, 'jobs');
    const files = readdirSync(folder);
    if (files.join() !== 'system.img') this.problems.push(`in the folder: ${files.join(', ')}`);
    const landed = createHash('sha256');
    for await (const bytes of createReadStream(join(folder, 'system.img'))) landed.update(bytes as Buffer);
    if (landed.digest('hex') !== this.#sha256) this.problems.push('altered: system.img');
    if (this.#sent > sizeBytes * MOST_FETCHED) this.problems.push(`fetched ${this.#sent} of ${sizeBytes} bytes`);
    if (device.output.includes('DOWNLOAD_DAMAGED')) this.problems.push('what was here did not fit what came');
    const needed = this.#cuts + this.kills + 1;
    if (this.#documents < needed) this.problems.push(`only ${this.#documents} documents for ${needed} URLs`);
  }

  /** What was asked for before it ended. */
  get #documents(): number {
    return this.#urls.length;
  }

  /** Each URL that was ever handed out, the latest last. */
  get #urls(): URL[] {
    const answers = this.cloud.jobs.requests.map(({ answer }) => JSON.stringify(answer ?? {}));
    return answers.flatMap((text) => /"url":"(https:[^"]+)"/.exec(text)?.[1] ?? []).map((text) => new URL(text));
  }

  get #expiresAtMs(): number {
    const query = this.#urls.at(-1)!.searchParams;
    const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get('X-Amz-Date')!)!;
    return Date.UTC(+y!, +mo! - 1, +d!, +h!, +mi!, +s!) + Number(query.get('X-Amz-Expires')) * 1000;
  }

  /** While the device is dead. */
  #lookAround(): void {
    for (const { operation, status } of this.cloud.requests) {
      if (operation !== 'GetObject') continue;
      if (status === 200 || status === 206) this.#answers += 1;
      else this.#refused += 1;
    }
    this.cloud.clearRequests();
    this.#lookForSecrets(this.device.output, 'the log');
    const { stateDir } = this.device;
    for (const name of filesOf(stateDir)) this.#lookForSecrets(readFileSync(join(stateDir, name), 'latin1'), name);
  }

  #lookForSecrets(text: string, where: string): void {
    const query = this.#urls.map(({ searchParams }) => searchParams);
    const secrets = query.flatMap((of) => [of.get('X-Amz-Signature')!, of.get('X-Amz-Security-Token')!]);
    if (/x-amz-/i.test(text) || secrets.some((secret) => text.includes(secret)))
      this.problems.push(`a signed URL in ${where}`);
  }
}
