import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { adminPolicy } from '../local-cloud/seed-policies';
import { CloudFixture } from '../support/cloud-fixture';
import type { CrashAt } from './crash-point';
import { Incarnation } from './incarnation';
import type { SeededRandom } from './seeded-random';
import { type FileName, type OnExisting, PART_BYTES, SINGLE_PUT_MAX_BYTES, Workload } from './workload';

export interface CrashRunOptions {
  readonly claim: 'move' | 'leave';
  readonly onExisting: OnExisting;
  readonly files: readonly FileName[];
  /** Template. */
  readonly key: string;
  /** One life after another ends so; the last of all runs to completion. */
  readonly crashes: readonly CrashAt[];
  /** S3 does not know a completed upload any more: Complete again is answered by NoSuchUpload. */
  readonly forgetsCompleted: boolean;
  readonly random: SeededRandom;
}

export interface CrashRunResult {
  /** Where each of the crashes hit; shorter than asked for when a life ended in peace. */
  readonly killedIn: readonly string[];
  readonly problems: readonly string[];
  /** Requests whose bytes S3 had taken before. */
  readonly sentTwice: number;
  readonly output: string;
}

const POLL_MS = 5;
const PATIENCE_MS = 20_000;
const SWEEP_WITHIN_MS = 20_000;
const PARALLEL_FILES = 2;
const PARALLEL_PARTS = 2;
const BUCKET = 'fleet-bucket';

/** A cloud, a device and its few files, from the first life to the last. */
export async function runWithCrashes(options: CrashRunOptions): Promise<CrashRunResult> {
  const fixture = await CloudFixture.start();
  const dir = mkdtempSync(join(tmpdir(), 'crash-'));
  try {
    return await new CrashRun(fixture, dir, options).run();
  } finally {
    await fixture.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

class CrashRun {
  readonly #workload: Workload;
  readonly #arrived = new Map<string, number>();
  readonly #problems: string[] = [];
  readonly #killedIn: string[] = [];
  readonly #killed: Incarnation[] = [];
  #output = '';
  #allowedTwice = 0;
  #lives = 0;

  constructor(
    private readonly fixture: CloudFixture,
    private readonly dir: string,
    private readonly options: CrashRunOptions,
  ) {
    this.#workload = new Workload({ ...options, dir, cloud: fixture.cloud, s3: fixture.s3(), bucket: BUCKET });
  }

  async run(): Promise<CrashRunResult> {
    const { cloud } = this.fixture;
    cloud.createBucket(BUCKET);
    if (this.options.forgetsCompleted) cloud.settings.completeRepeatMs = 0;
    await this.#workload.lay();
    const settings = await this.#settings();
    mkdirSync(this.#stateDir(0), { mode: 0o700 });
    // What is claimed stays claimed; only the ledger is what it was when the process died.
    mkdirSync(join(this.dir, 'spool'), { mode: 0o700 });
    symlinkSync(join(this.dir, 'spool'), join(this.#stateDir(0), 'spool'));
    for (const at of [...this.options.crashes, undefined]) {
      const crashed = await this.#live(settings, at);
      if (at !== undefined && !crashed) break;
    }
    await this.#sweep(settings);
    this.#workload.close();
    const sentTwice = [...this.#arrived.values()].reduce((sum, times) => sum + times - 1, 0);
    if (sentTwice > this.#allowedTwice) {
      const what = [...this.#arrived].filter(([, times]) => times > 1).map(([name, times]) => `${name} ×${times}`);
      this.#problems.push(`sent twice: ${sentTwice} > ${this.#allowedTwice}: ${what.join(', ')}`);
    }
    return { killedIn: this.#killedIn, problems: this.#problems, sentTwice, output: this.#output };
  }

  /** @returns whether it crashed */
  async #live(settings: Record<string, object>, at: CrashAt | undefined): Promise<boolean> {
    const life = this.#begin(settings, at);
    const concluded = await this.#untilDeathOr(life, () => this.#workload.isConcluded(life.component));
    if (concluded === undefined) this.#problems.push(`not concluded: waited ${PATIENCE_MS} ms`);
    const { killedIn } = life.crash;
    if (killedIn === undefined) {
      this.#problems.push(...(await this.#workload.findProblems(life.component)));
    } else {
      this.#killedIn.push(killedIn);
      // Each file may also stand between S3's answer and the commit that it asks for.
      this.#allowedTwice += life.crash.unheard + PARALLEL_FILES;
    }
    life.leaveTo(this.#stateDir(this.#lives));
    await life.end(); // and S3 is done with what was on the wire
    if (killedIn !== undefined) this.#killed.push(life);
    this.#output += life.output;
    return killedIn !== undefined;
  }

  /** What was to be aborted and could not be is aborted at the next start. */
  async #sweep(settings: Record<string, object>): Promise<void> {
    const left = (): string[] =>
      this.fixture.cloud
        .multipartUploads(BUCKET)
        .filter(({ key, uploadId }) => !this.#killed.some((life) => life.couldNotKnow(key, uploadId)))
        .map(({ key }) => key);
    if (left().length === 0) return;
    const life = this.#begin(settings, undefined);
    await this.#untilDeathOr(life, () => left().length === 0, SWEEP_WITHIN_MS);
    await life.end();
    this.#output += life.output;
    for (const key of left()) this.#problems.push(`left open: multipart upload of ${key}`);
  }

  #begin(settings: Record<string, object>, at: CrashAt | undefined): Incarnation {
    this.#output += `--- life ${this.#lives} ${at === undefined ? '' : `until ${at.when} call ${at.name ?? ''} ${at.n}`}\n`;
    return new Incarnation(this.#stateDir(this.#lives++), settings, at, {
      onCall: (name, key) => this.#workload.onCall(name, key),
      onDelivered: (key) => this.#workload.onDelivered(key),
      onArrived: (what) => {
        this.#arrived.set(what, (this.#arrived.get(what) ?? 0) + 1);
      },
    });
  }

  /** @returns undefined when neither came */
  async #untilDeathOr(life: Incarnation, holds: () => boolean, withinMs = PATIENCE_MS): Promise<boolean | undefined> {
    const deadline = Date.now() + withinMs;
    while (life.crash.killedIn === undefined) {
      if (holds()) return true;
      if (Date.now() > deadline) return undefined;
      await Promise.race([life.crash.died, delay(POLL_MS)]);
    }
    return false;
  }

  #stateDir(life: number): string {
    return join(this.dir, `state-${life}`);
  }

  async #settings(): Promise<Record<string, object>> {
    const { cloud } = this.fixture;
    cloud.createRoleAlias('courier', { policy: adminPolicy() });
    const { name, certificateFile, privateKeyFile } = await cloud.createThing('device00');
    return {
      thing: { name, certificateFile, privateKeyFile },
      s3: { bucket: BUCKET, region: cloud.region, endpoint: cloud.s3Endpoint, pathStyle: true, caFile: cloud.caFile },
      credentials: {
        source: 'role-alias',
        roleAlias: { endpoint: cloud.credentialsEndpoint, alias: 'courier', caFile: cloud.caFile },
      },
      outboxes: [
        {
          path: this.#workload.outbox,
          key: this.options.key,
          rescanSeconds: 0.1,
          settleSeconds: 0,
          claim: this.options.claim,
          deleteGraceSeconds: 0,
        },
      ],
      upload: {
        singlePutMaxBytes: SINGLE_PUT_MAX_BYTES,
        partSizeBytes: PART_BYTES,
        parallelFiles: PARALLEL_FILES,
        parallelParts: PARALLEL_PARTS,
        onExisting: this.options.onExisting,
        retryMaxSeconds: 1,
        probeMaxSeconds: 1,
        stallSeconds: 5,
      },
    };
  }
}
