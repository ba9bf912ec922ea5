import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalCloud } from '../local-cloud/local-cloud';
import { adminPolicy } from '../local-cloud/seed-policies';
import { adminS3 } from '../support/admin-s3';
import { Device } from '../support/device';
import { JOB_KINDS, JobSender, type SendOptions, type SentJob } from './job-sender';
import { findAltered, findUndone, findUnfinished, type JobsEvidence } from './judge-jobs';
import { aroundLanding, drawKillMoment, type KillMoment } from './kill-moment';
import { SeededRandom } from './seeded-random';
import { takesJobs } from './takes-jobs';

type Ports = { readonly s3Port: number; readonly credentialsPort: number; readonly mqttPort: number };

const BUCKET = 'fleet-bucket';
const THING = 'device00';
const OPERATIONS = ['Credentials', 'GetObject', 'HeadObject', 'PutObject', 'CompleteMultipartUpload'];
const ASKED = ['StartNextPendingJobExecution', 'UpdateJobExecution', 'UpdateJobExecution', 'DescribeJobExecution'];
const TOKEN_SECONDS = 2;
const MIB = 1024 * 1024;
/** More need not wait at a time. */
const MOST_PENDING = 8;
const FINISH_WITHIN_MS = 240_000;
const PATIENCE_MS = 4_000;
const POLL_MS = 2;
/** Of each piece of a body: it takes long enough to be killed, cancelled or timed out in it. */
const PIECE_MS = 2;

/** A device to which jobs of all kinds are sent without end, cancelled and timed out among them, killed again and again. */
export class JobsKillRun {
  readonly problems: string[] = [];
  kills = 0;
  #restarts = 0;
  #cancelled = 0;
  #resumed = 0;
  readonly #jobs: SentJob[] = [];
  readonly #sender: JobSender;
  /** Pieces of bodies that S3 has sent. */
  #pieces = 0;
  readonly #moments = new Map<string, number>();
  readonly #history: string[] = [];

  private constructor(
    private readonly device: Device,
    private cloud: LocalCloud,
    private readonly startCloud: (ports?: Partial<Ports>) => Promise<LocalCloud>,
    private readonly random: SeededRandom,
    /** Of what happens while a life lasts: how often that is, no seed decides. */
    private readonly meanwhile: SeededRandom,
  ) {
    this.#watchBodies();
    this.#sender = new JobSender(BUCKET, join(device.dir, 'logs'), random);
  }

  static async create(dir: string, seed: number): Promise<JobsKillRun> {
    const startCloud = (ports = {}): Promise<LocalCloud> =>
      LocalCloud.start({ dir: join(dir, 'cloud'), minPresignSeconds: 1, ...ports });
    const cloud = await startCloud();
    const deviceDir = join(dir, 'device');
    mkdirSync(join(deviceDir, 'logs'), { recursive: true });
    const { certificatePolicy, config } = takesJobs(cloud, deviceDir);
    const device = await Device.create({
      dir: deviceDir,
      cloud,
      bucket: BUCKET,
      certificatePolicy,
      config: { ...config, outboxes: [], upload: { singlePutMaxBytes: 1 * MIB, partSizeBytes: 5 * MIB } },
    });
    cloud.createRoleAlias('courier', { policy: adminPolicy(), durationSeconds: TOKEN_SECONDS });
    return new JobsKillRun(device, cloud, startCloud, new SeededRandom(seed), new SeededRandom(seed + 1));
  }

  get summary(): string {
    const count = (texts: readonly string[]): string => {
      const counts = new Map<string, number>();
      for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
      return [...counts]
        .sort()
        .map(([text, times]) => `${text} ${times}`)
        .join(', ');
    };
    const ends = count(this.#jobs.map(({ jobId }) => this.#statusOf(jobId)));
    const moments = [...this.#moments].sort().map(([name, times]) => `${name} ${times}`);
    return `${this.kills} kills (${this.#restarts} with a restart of the cloud), ${this.#jobs.length} jobs (${count(this.#jobs.map(({ kind }) => kind))}), ended: ${ends}; ${this.#cancelled} cancelled; ${this.problems.length} lost, altered, half done or stuck; ${this.#resumed} bodies resumed; killed at: ${moments.join(', ')}`;
  }

  get output(): string {
    return this.device.output;
  }

  async killOnce(): Promise<void> {
    const { random, device, cloud } = this;
    await this.#send();
    const moment = this.#drawMoment();
    const restart = random.chance(0.12);
    this.#moments.set(moment.name, (this.#moments.get(moment.name) ?? 0) + 1);
    this.#history.push(restart ? `${moment.name}, cloud restarted` : moment.name);
    const time = moment.arm(cloud)();
    if (random.chance(0.4)) this.#cancelSoon(cloud);
    device.start();
    await time;
    if (!device.isRunning) this.problems.push(`the daemon ended by itself before kill ${this.kills + 1}`);
    // Half of the times it goes first, and the device sees it go.
    if (restart && random.chance(0.5)) await this.#restartCloud();
    await device.kill();
    this.kills += 1;
    if (restart && this.cloud === cloud) await this.#restartCloud();
    cloud.faults.clear();
    cloud.jobs.faults.clear();
    this.#read();
    this.#note([...(await findUndone(this.#evidence)), ...findAltered(this.#evidence)]);
  }

  /** The last life, in which all gets done. */
  async finish(): Promise<void> {
    const { device } = this;
    device.start();
    await device
      .waitFor(
        'everything done',
        ({ jobs }) => jobs?.unreported === 0 && jobs.current === undefined && this.#pending().length === 0,
        FINISH_WITHIN_MS,
      )
      .catch((error: Error) => {
        const stuck = this.#pending().map(({ jobId }) => `${jobId} is ${this.#statusOf(jobId)}`);
        this.problems.push(`${error.message.split('\n', 2).join(' ')}; ${stuck.join(', ')}`);
      });
    const code = await device.stop();
    if (code !== 0) this.problems.push(`ended with ${code}`);
    this.#read();
    this.#note(await findUnfinished(this.#evidence, join(device.stateDir, 'collected')));
    for (const said of ['broken, ending', 'ledger set aside', 'DOWNLOAD_DAMAGED', 'X-Amz-'])
      if (device.output.includes(said)) this.problems.push(`the daemon said: ${said}`);
  }

  async end(): Promise<void> {
    await this.device.kill();
    await this.cloud.stop();
  }

  get #evidence(): JobsEvidence {
    const folder = join(this.device.dir, 'jobs');
    mkdirSync(folder, { recursive: true }); // it may have been killed before it made it
    const statusOf = (jobId: string): string => this.#statusOf(jobId);
    return { jobs: this.#jobs, statusOf, folder, cloud: this.cloud, bucket: BUCKET };
  }

  #statusOf(jobId: string): string {
    return this.cloud.jobs.control.describeJobExecution(jobId, THING).status;
  }

  #pending(): SentJob[] {
    return this.#jobs.filter(({ jobId }) => ['QUEUED', 'IN_PROGRESS'].includes(this.#statusOf(jobId)));
  }

  async #send(): Promise<void> {
    const { random } = this;
    const s3 = adminS3(this.cloud); // a connection that is kept may be closed by the cloud in the meantime
    for (let wanted = random.between(1, 4); wanted > 0 && this.#pending().length < MOST_PENDING; wanted--) {
      const options: SendOptions = {
        into: random.chance(0.2) ? 'current' : undefined,
        urlSeconds: random.chance(0.3) ? 1 : undefined,
        timeoutSeconds: random.chance(0.15) ? random.between(1, 4) / 2 : undefined,
      };
      this.#jobs.push(await this.#sender.send({ cloud: this.cloud, s3 }, random.pick(JOB_KINDS), options));
    }
    s3.destroy();
  }

  #drawMoment(): KillMoment {
    const { random, device } = this;
    const dice = random.next();
    if (dice < 0.2) return aroundLanding(random, join(device.dir, 'jobs'));
    if (dice < 0.35) return this.#inBody();
    if (dice < 0.65) return this.#aroundAsking();
    return drawKillMoment(random, undefined, OPERATIONS);
  }

  #inBody(): KillMoment {
    const pieces = this.random.between(1, 80);
    return {
      name: 'body',
      arm: () => async () => {
        const from = this.#pieces;
        const deadline = Date.now() + PATIENCE_MS;
        while (this.#pieces < from + pieces && Date.now() < deadline) await delay(POLL_MS);
      },
    };
  }

  /** Of what is said about jobs something is not heard, heard late or twice, or refused. */
  #aroundAsking(): KillMoment {
    const { random } = this;
    const kind = random.pick(['drop', 'dropAfter', 'stall', 'repeat', 'error'] as const);
    const operation = random.pick(ASKED);
    const skip = random.between(0, 3);
    const thenMs = random.between(0, 60);
    return {
      name: `${kind} ${operation}`,
      arm: (cloud) => {
        const code = random.pick(['RequestThrottled', 'InternalError'] as const);
        const fault = cloud.jobs.faults.add({ kind, operation, skip, ...(kind === 'error' ? { code } : {}) });
        return async () => {
          await Promise.race([fault.waitForHits(), delay(PATIENCE_MS)]);
          await delay(thenMs);
        };
      },
    };
  }

  /** When it fetches or sends, whatever is in progress then. */
  #cancelSoon(cloud: LocalCloud): void {
    const wanted = this.meanwhile.pick(['GetObject', 'PutObject', 'HeadObject']);
    void cloud
      .nextRequest(({ operation }) => operation === wanted)
      .then(() => {
        const job = this.#pending().find(({ jobId }) => this.#statusOf(jobId) === 'IN_PROGRESS');
        if (job === undefined || this.cloud !== cloud) return;
        cloud.jobs.control.cancelJobExecution(job.jobId, THING, { force: true });
        job.mayEnd.add('CANCELED');
        this.#cancelled += 1;
      })
      .catch(() => undefined);
  }

  #read(): void {
    for (const { operation, status } of this.cloud.requests)
      if (operation === 'GetObject' && status === 206) this.#resumed += 1;
    this.cloud.clearRequests();
  }

  #note(problems: readonly string[]): void {
    for (const problem of problems)
      this.problems.push(`${problem}, in life ${this.kills} (${this.#history.slice(-3).join(' / ')})`);
  }

  async #restartCloud(): Promise<void> {
    const { s3Port, credentialsPort, mqtt } = this.cloud;
    await this.cloud.stop();
    this.cloud = await this.startCloud({ s3Port, credentialsPort, mqttPort: mqtt.port });
    this.#watchBodies();
    this.#restarts += 1;
  }

  #watchBodies(): void {
    this.cloud.settings.onRead = async () => {
      this.#pieces += 1;
      await delay(PIECE_MS);
    };
  }
}
