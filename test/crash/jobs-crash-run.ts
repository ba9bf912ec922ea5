import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { adminPolicy } from '../local-cloud/seed-policies';
import { CloudFixture } from '../support/cloud-fixture';
import type { CrashAt } from './crash-point';
import { guardJobs, type JobsObserver } from './guard-jobs';
import { GuardedInbox } from './guarded-inbox';
import { Incarnation } from './incarnation';
import { type JobKind, JobSender, type SentJob } from './job-sender';
import { findAltered, findUndone, findUnfinished, type JobsEvidence } from './judge-jobs';
import type { EachCallResult } from './kill-at-each-call';
import type { SeededRandom } from './seeded-random';
import { takesJobs } from './takes-jobs';
import { unsynced, watchFiles } from './unsynced';

export interface JobsCrashRunOptions {
  readonly kind: JobKind;
  /** After the first death, if it has not ended by then. */
  readonly isCancelled?: boolean | undefined;
  /** One life after another ends so; the last of all runs to completion. */
  readonly crashes: readonly CrashAt[];
  readonly random: SeededRandom;
}

const POLL_MS = 5;
const PATIENCE_MS = 20_000;
const BUCKET = 'fleet-bucket';
const THING = 'device00';
/** Of bodies that nobody had heard when it died. */
const UNHEARD_BYTES = 128 * 1024;
const PARALLEL_FILES = 2;

/** A cloud, a device and a job for it, from the first life to the last. */
export async function runJobWithCrashes(options: JobsCrashRunOptions): Promise<EachCallResult> {
  const fixture = await CloudFixture.start();
  const dir = mkdtempSync(join(tmpdir(), 'crash-'));
  const unwatch = await watchFiles();
  unsynced.clear();
  const run = new JobsCrashRun(fixture, dir, options);
  const unguard = guardJobs(run);
  try {
    return await run.run();
  } finally {
    unguard();
    unwatch();
    await fixture.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

class JobsCrashRun implements JobsObserver {
  readonly #problems: string[] = [];
  readonly #killedIn: string[] = [];
  /** By key. */
  readonly #bytes = new Map<string, number>();
  readonly #arrived = new Map<string, number>();
  #mayArriveTwice = 0;
  #job: SentJob | undefined;
  #output = '';

  constructor(
    private readonly fixture: CloudFixture,
    private readonly dir: string,
    private readonly options: JobsCrashRunOptions,
  ) {}

  async run(): Promise<EachCallResult> {
    const { cloud } = this.fixture;
    const s3 = this.fixture.s3();
    const settings = await this.#settings();
    for (const name of ['logs', 'jobs', 'state']) mkdirSync(join(this.dir, name), { mode: 0o700 });
    const sender = new JobSender(BUCKET, join(this.dir, 'logs'), this.options.random);
    this.#job = await sender.send({ cloud, s3 }, this.options.kind);
    for (const at of [...this.options.crashes, undefined]) {
      const crashed = await this.#live(settings, at);
      if (at !== undefined && !crashed) break;
    }
    return { killedIn: this.#killedIn, problems: this.#problems, output: this.#output };
  }

  /** What the cloud hears to be done is on the disk, under its name. */
  onSay(topic: string, payload: Buffer): void {
    if (!topic.endsWith('/update') || JSON.parse(payload.toString()).status !== 'SUCCEEDED') return;
    const folder = join(this.dir, 'jobs');
    const told = { ...this.#evidence, statusOf: () => 'SUCCEEDED' };
    for (const path of this.#job!.files.keys())
      for (const torn of this.#isThere(path) ? unsynced.find(folder, path) : [])
        this.#problems.push(`told too early: a power cut would take ${torn}`);
    void findUndone(told).then((undone) => this.#problems.push(...undone.map((one) => `told too early: ${one}`)));
  }

  onBytes(url: URL, bytes: number): void {
    this.#came(decodeURIComponent(url.pathname).slice(`/${BUCKET}/`.length), bytes);
  }

  /** @returns whether it crashed */
  async #live(settings: Record<string, object>, at: CrashAt | undefined): Promise<boolean> {
    const stateDir = join(this.dir, 'state');
    const aside = join(this.dir, 'aside');
    this.#output += `--- life ${at === undefined ? '' : `until ${at.when} call ${at.name ?? ''} ${at.n}`}\n`;
    const onArrived = (what: string): void => {
      this.#arrived.set(what, (this.#arrived.get(what) ?? 0) + 1);
    };
    const nothing = (): Promise<void> => Promise.resolve();
    const observer = { onCall: nothing, onArrived, onDelivered: nothing };
    const life = new Incarnation(stateDir, settings, at, observer, (store, crash) => {
      const onBytes = (key: string, _: string, bytes: number): void => this.#came(key, bytes);
      return new GuardedInbox(store, crash, { onCall: nothing, onBytes, onRemove: nothing });
    });
    const concluded = await this.#untilDeathOr(life);
    const { killedIn } = life.crash;
    if (killedIn !== undefined) {
      this.#killedIn.push(killedIn);
      // Each file may also stand between S3's answer and the commit that it asks for.
      this.#mayArriveTwice += life.crash.unheard + PARALLEL_FILES;
      life.leaveTo(aside);
    } else if (!concluded) this.#problems.push(`not concluded: ${JSON.stringify(life.component.status().jobs)}`);
    await life.end(); // and S3 is done with what was on the wire
    if (killedIn === undefined) await this.#judge();
    else {
      restoreLedger(aside, stateDir);
      this.#problems.push(...(await findUndone(this.#evidence)), ...findAltered(this.#evidence));
      if (this.options.isCancelled === true && this.#isPending) this.#cancel();
    }
    this.#output += life.output;
    return killedIn !== undefined;
  }

  /** @returns whether it is done */
  async #untilDeathOr(life: Incarnation): Promise<boolean> {
    const deadline = Date.now() + PATIENCE_MS;
    while (life.crash.killedIn === undefined) {
      const { jobs } = life.component.status();
      const isIdle = jobs?.unreported === 0 && jobs.current === undefined && life.component.waiting === 0;
      if (isIdle && !this.#isPending) return true;
      if (Date.now() > deadline) return false;
      await Promise.race([life.crash.died, delay(POLL_MS)]);
    }
    return false;
  }

  async #judge(): Promise<void> {
    const { requests } = this.fixture.cloud.jobs;
    const { fetched } = this.#job!;
    this.#problems.push(...(await findUnfinished(this.#evidence, join(this.dir, 'state', 'collected'))));
    const ends = requests.filter(({ outcome, body }) => outcome === 'accepted' && body?.status === 'SUCCEEDED');
    const hasSucceeded = this.#evidence.statusOf(this.#job!.jobId) === 'SUCCEEDED';
    if (ends.length !== (hasSucceeded ? 1 : 0)) this.#problems.push(`told ${ends.length} times that it succeeded`);
    this.#problems.push(...unsynced.exposed.map((name) => `named before its data was on the disk: ${name}`));
    for (const [key, sizeBytes] of fetched) {
      const came = this.#bytes.get(key) ?? 0;
      if (came > sizeBytes + this.#killedIn.length * UNHEARD_BYTES)
        this.#problems.push(`fetched twice: ${key}, ${came} of ${sizeBytes} bytes`);
    }
    const twice = [...this.#arrived.values()].reduce((sum, times) => sum + times - 1, 0);
    if (twice > this.#mayArriveTwice) this.#problems.push(`sent twice: ${twice} > ${this.#mayArriveTwice}`);
  }

  #cancel(): void {
    const { jobId, mayEnd } = this.#job!;
    this.fixture.cloud.jobs.control.cancelJobExecution(jobId, THING, { force: true });
    mayEnd.add('CANCELED');
  }

  get #isPending(): boolean {
    return ['QUEUED', 'IN_PROGRESS'].includes(this.#evidence.statusOf(this.#job!.jobId));
  }

  get #evidence(): JobsEvidence {
    const { cloud } = this.fixture;
    const statusOf = (jobId: string): string => cloud.jobs.control.describeJobExecution(jobId, THING).status;
    return { jobs: [this.#job!], statusOf, folder: join(this.dir, 'jobs'), cloud, bucket: BUCKET };
  }

  #came(key: string, bytes: number): void {
    this.#bytes.set(key, (this.#bytes.get(key) ?? 0) + bytes);
  }

  #isThere(path: string): boolean {
    return readdirSync(join(this.dir, 'jobs'), { recursive: true }).map(String).includes(path);
  }

  async #settings(): Promise<Record<string, object>> {
    const { cloud } = this.fixture;
    cloud.createBucket(BUCKET);
    cloud.createRoleAlias('courier', { policy: adminPolicy() });
    const { certificatePolicy, config } = takesJobs(cloud, this.dir);
    const { name, certificateFile, privateKeyFile } = await cloud.createThing(THING, { certificatePolicy });
    return {
      ...config,
      thing: { name, certificateFile, privateKeyFile },
      s3: { bucket: BUCKET, region: cloud.region, endpoint: cloud.s3Endpoint, pathStyle: true, caFile: cloud.caFile },
      credentials: {
        source: 'role-alias',
        roleAlias: { endpoint: cloud.credentialsEndpoint, alias: 'courier', caFile: cloud.caFile },
      },
      upload: {
        singlePutMaxBytes: 1024 * 1024,
        parallelFiles: PARALLEL_FILES,
        parallelParts: 1,
        retryMaxSeconds: 1,
        probeMaxSeconds: 1,
        stallSeconds: 5,
      },
    };
  }
}

/** As it was when the process died; the folder stays, for the rows know copies by it. */
function restoreLedger(from: string, to: string): void {
  const isLedger = (name: string): boolean => name.startsWith('ledger.sqlite');
  for (const name of readdirSync(to).filter(isLedger)) rmSync(join(to, name));
  for (const name of readdirSync(from).filter(isLedger)) cpSync(join(from, name), join(to, name));
  rmSync(from, { recursive: true });
}
