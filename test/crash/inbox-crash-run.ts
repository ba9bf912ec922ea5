import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Component } from '../../src/component';
import type { OnExisting } from '../../src/download/landing';
import type { PolicyDocument } from '../local-cloud/policy';
import { adminPolicy } from '../local-cloud/seed-policies';
import { CloudFixture } from '../support/cloud-fixture';
import type { CrashAt } from './crash-point';
import { GuardedInbox } from './guarded-inbox';
import { INBOX, InboxWorkload, type ObjectName, type Surprise } from './inbox-workload';
import { Incarnation } from './incarnation';
import type { EachCallResult } from './kill-at-each-call';
import type { SeededRandom } from './seeded-random';
import { unsynced, watchFiles } from './unsynced';

export interface InboxCrashRunOptions {
  readonly onExisting: OnExisting;
  readonly objects: readonly ObjectName[];
  readonly surprise?: Surprise | undefined;
  /** Nothing may be listed: each is asked for once, by its name. */
  readonly byName?: boolean | undefined;
  /** One life after another ends so; the last of all runs to completion. */
  readonly crashes: readonly CrashAt[];
  readonly random: SeededRandom;
}

const POLL_MS = 5;
const PATIENCE_MS = 20_000;
const BUCKET = 'fleet-bucket';
/** Between lives. */
const DEAD = 'dead';

/** A cloud, a device and the few objects for it, from the first life to the last. */
export async function runInboxWithCrashes(options: InboxCrashRunOptions): Promise<EachCallResult> {
  const fixture = await CloudFixture.start();
  const dir = mkdtempSync(join(tmpdir(), 'crash-'));
  const unwatch = await watchFiles();
  unsynced.clear();
  try {
    return await new InboxCrashRun(fixture, dir, options).run();
  } finally {
    unwatch();
    await fixture.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

class InboxCrashRun {
  readonly #workload: InboxWorkload;
  readonly #problems: string[] = [];
  readonly #killedIn: string[] = [];
  #output = '';
  #lives = 0;
  #isAsked = false;

  constructor(
    private readonly fixture: CloudFixture,
    private readonly dir: string,
    private readonly options: InboxCrashRunOptions,
  ) {
    fixture.cloud.createBucket(BUCKET);
    const surroundings = { folder: join(dir, 'inbox'), cloud: fixture.cloud, s3: fixture.s3(), bucket: BUCKET };
    this.#workload = new InboxWorkload({ ...options, surprise: options.surprise, ...surroundings });
  }

  async run(): Promise<EachCallResult> {
    await this.#workload.lay();
    const settings = await this.#settings();
    mkdirSync(this.#stateDir(0), { mode: 0o700 });
    for (const at of [...this.options.crashes, undefined]) {
      const crashed = await this.#live(settings, at);
      if (at !== undefined && !crashed) break;
    }
    this.#problems.push(...unsynced.exposed.map((name) => `named before its data was on the disk: ${name}`));
    return { killedIn: this.#killedIn, problems: this.#problems, output: this.#output };
  }

  /** @returns whether it crashed */
  async #live(settings: Record<string, object>, at: CrashAt | undefined): Promise<boolean> {
    this.#output += `--- life ${this.#lives} ${at === undefined ? '' : `until ${at.when} call ${at.name ?? ''} ${at.n}`}\n`;
    const life = new Incarnation(this.#stateDir(this.#lives++), settings, at, NOTHING_UP, (store, crash) => {
      return new GuardedInbox(store, crash, this.#workload);
    });
    const concluded = await this.#untilDeathOr(life);
    const { killedIn } = life.crash;
    if (killedIn !== undefined) this.#killedIn.push(killedIn);
    life.leaveTo(this.#stateDir(this.#lives));
    if (killedIn === undefined) {
      if (!concluded) this.#problems.push(`not concluded: ${JSON.stringify(life.component.status().inbox)}`);
      this.#problems.push(...(await this.#workload.findProblems(this.#killedIn.length)));
    }
    await life.end(); // and S3 is done with what was on the wire
    if (killedIn !== undefined) {
      this.#problems.push(...(await this.#workload.findLost()));
      await this.#workload.surprise(DEAD);
    }
    this.#output += life.output;
    return killedIn !== undefined;
  }

  /** @returns whether it is done */
  async #untilDeathOr(life: Incarnation): Promise<boolean> {
    const { byName = false } = this.options;
    const deadline = Date.now() + PATIENCE_MS;
    while (life.crash.killedIn === undefined) {
      const { open = 1, lastLookAtMs } = life.component.status().inbox ?? {};
      if (byName) await this.#ask(life.component);
      const hasLooked = byName ? this.#isAsked : lastLookAtMs !== undefined;
      if (hasLooked && open === 0 && this.#workload.isEmpty) return true;
      if (Date.now() > deadline) return false;
      await Promise.race([life.crash.died, delay(POLL_MS)]);
    }
    return false;
  }

  /** Once, but that whoever was not answered asks again. */
  async #ask(component: Component): Promise<void> {
    if (this.#isAsked || component.status().inbox === undefined) return;
    const asked = component.pull(this.options.objects.map((name) => INBOX + name));
    this.#isAsked = await asked.then(
      () => true,
      () => false,
    );
  }

  #stateDir(life: number): string {
    return join(this.dir, `state-${life}`);
  }

  async #settings(): Promise<Record<string, object>> {
    const { cloud } = this.fixture;
    const { byName = false, onExisting } = this.options;
    cloud.createRoleAlias('courier', { policy: byName ? withoutList() : adminPolicy() });
    const { name, certificateFile, privateKeyFile } = await cloud.createThing('device00');
    return {
      thing: { name, certificateFile, privateKeyFile },
      s3: { bucket: BUCKET, region: cloud.region, endpoint: cloud.s3Endpoint, pathStyle: true, caFile: cloud.caFile },
      credentials: {
        source: 'role-alias',
        roleAlias: { endpoint: cloud.credentialsEndpoint, alias: 'courier', caFile: cloud.caFile },
      },
      inbox: { dir: join(this.dir, 'inbox'), pollMinutes: 0, onExisting, parallelObjects: 2 },
      upload: { retryMaxSeconds: 1, probeMaxSeconds: 1, stallSeconds: 5 },
    };
  }
}

const NOTHING_UP = {
  onCall: () => Promise.resolve(),
  onArrived: () => undefined,
  onDelivered: () => Promise.resolve(),
};

const withoutList = (): PolicyDocument => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      Resource: `arn:aws:s3:::${BUCKET}/*`,
    },
  ],
});
