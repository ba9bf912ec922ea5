import { appendFileSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { askDaemon } from '../../src/cli/ask-daemon';
import {
  findSocketPathProblem,
  type StatusDocument,
  socketPath,
  type UploadDetails,
  type UploadSummary,
} from '../../src/control/protocol';
import { LocalCloud, type LocalThing } from '../local-cloud/local-cloud';
import { courierIotPolicy, seedBIotPolicy } from '../local-cloud/seed-iot-policies';
import { Device } from '../support/device';
import { cloudCredentials } from '../support/nucleus/cloud-credentials';
import { Nucleus } from '../support/nucleus/nucleus';
import { DemoFailure } from './demo-failure';

const MAIN = resolve(__dirname, '../../dist/main.js');
const PAGE = 1_000;
const SETTLE_SECONDS = 1;
/** The daemon promises 4.5 s. */
const STOP_WITHIN_MS = 7_000;

/** How the device gets its credentials. */
export const DEMO_SOURCES = ['role-alias', 'token-exchange', 'mqtt-token'] as const;
export type DemoSource = (typeof DEMO_SOURCES)[number];

/** One temp folder with all that the demo makes: the cloud, the device, its daemon. */
export class DemoSite {
  #logged = 0;
  #died = false;
  #answered = false;

  private constructor(
    readonly root: string,
    readonly cloud: LocalCloud,
    readonly device: Device,
    readonly source: DemoSource,
    private readonly nucleus: Nucleus | undefined,
  ) {}

  /** @throws DemoFailure when it cannot be made here */
  static async open(source: DemoSource): Promise<DemoSite> {
    if (!existsSync(MAIN)) throw new DemoFailure('dist/main.js is not built; use npm run demo, which builds it first');
    const root = makeRoot();
    let cloud: LocalCloud | undefined;
    let nucleus: Nucleus | undefined;
    try {
      cloud = await LocalCloud.start({ dir: join(root, 'cloud'), minPresignSeconds: 1 });
      const dir = join(root, 'device');
      // As it comes, but for the time in which a file must not change.
      const config = {
        outboxes: [{ path: join(dir, 'outbox'), settleSeconds: SETTLE_SECONDS }],
        credentials: { source },
        // A token by message is good for PutObject alone.
        ...(source === 'mqtt-token' ? {} : { inbox: { dir: join(dir, 'inbox') } }),
        jobs: { dir: join(dir, 'jobs') },
        mqtt: { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile },
      };
      const device = await Device.create({ dir, cloud, config });
      cloud.createBucket(device.bucket, { notifiesInbox: true });
      const policies = [
        courierIotPolicy(cloud),
        ...(source === 'mqtt-token' ? [seedBIotPolicy(cloud, device.thing)] : []),
      ];
      const iotPolicy = { ...policies[0]!, Statement: policies.flatMap(({ Statement }) => Statement) };
      const thing = await cloud.createThing(device.thing, { certificatePolicy: iotPolicy });
      if (source === 'mqtt-token') cloud.createTokenVendor(device.bucket);
      if (source === 'token-exchange') nucleus = await startNucleus(cloud, thing, device);
      return new DemoSite(root, cloud, device, source, nucleus);
    } catch (error) {
      await nucleus?.stop();
      await cloud?.stop();
      await rm(root, { recursive: true, force: true });
      throw error;
    }
  }

  /** Where objects land. */
  get inbox(): string {
    return join(this.device.dir, 'inbox');
  }

  /** Where files of jobs land. */
  get jobs(): string {
    return join(this.device.dir, 'jobs');
  }

  /** What the daemon prints, as far as it got. */
  get logFile(): string {
    return join(this.root, 'daemon.log');
  }

  /** Of the daemon. */
  get lastOutput(): string {
    return this.device.output.trimEnd().split('\n').slice(-15).join('\n') || '(nothing)';
  }

  /** The key the configuration promises for a file of the outbox. */
  keyOf(path: string): string {
    return `${this.device.thing}/outbox/${path}`;
  }

  /**
   * Undefined while the daemon is starting or busy.
   * @throws DemoFailure when it is dead
   */
  async findStatus(signal: AbortSignal): Promise<StatusDocument | undefined> {
    const status = await this.device.status().catch(() => undefined);
    this.#saveLog();
    if (status !== undefined) this.#answered = true;
    if (status === undefined && !this.device.isRunning) {
      // Ctrl-C reaches the daemon as well, and it may be the quicker one.
      await delay(300, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return undefined;
      this.#died = true;
      throw new DemoFailure(`the daemon ended (${await this.#describeEnd()}); its last output:\n${this.lastOutput}`);
    }
    return status;
  }

  /** All that is known of an upload. */
  details(id: number): Promise<UploadDetails> {
    return askDaemon<UploadDetails>(this.device.stateDir, { command: 'show', id });
  }

  /** A page of 1,000 at most, newest first. */
  uploads(state?: string, before?: number): Promise<UploadSummary[]> {
    return askDaemon<UploadSummary[]>(this.device.stateDir, {
      command: 'ls',
      limit: PAGE,
      ...(state === undefined ? {} : { state }),
      ...(before === undefined ? {} : { before }),
    });
  }

  /** A file to source: the aws command line then speaks to this cloud. */
  writeAwsEnv(): string {
    const file = join(this.root, 'aws.env');
    const values = {
      AWS_ACCESS_KEY_ID: this.cloud.admin.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.cloud.admin.secretAccessKey,
      AWS_DEFAULT_REGION: this.cloud.region,
      AWS_ENDPOINT_URL: this.cloud.s3Endpoint,
      AWS_CA_BUNDLE: this.cloud.caFile,
    };
    const lines = Object.entries(values).map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`);
    writeFileSync(file, ['unset AWS_SESSION_TOKEN AWS_PROFILE AWS_REGION', ...lines, ''].join('\n'), { mode: 0o600 });
    return file;
  }

  /** @throws DemoFailure when the daemon does not end well; all is stopped and removed nevertheless */
  async close(keep: boolean): Promise<void> {
    const code = await Promise.race([this.device.stop(), delay(STOP_WITHIN_MS, 'late' as const, { ref: false })]);
    if (code === 'late') await this.device.kill();
    await this.nucleus?.stop();
    await this.cloud.stop();
    this.#saveLog();
    if (!keep) await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
    // Before it answers it may have no handler for the signal yet.
    if (!this.#answered || this.#died || code === 0) return;
    const how = code === 'late' ? `did not end within ${STOP_WITHIN_MS / 1000} s` : `ended with ${code}, not 0`;
    throw new DemoFailure(`the daemon ${how} when it was asked to stop; its last output:\n${this.lastOutput}`);
  }

  async #describeEnd(): Promise<string> {
    const code = await this.device.exited();
    return code === null ? 'killed by a signal' : `exit code ${code}`;
  }

  #saveLog(): void {
    const { output } = this.device;
    if (output.length > this.#logged) appendFileSync(this.logFile, output.slice(this.#logged));
    this.#logged = output.length;
  }
}

/** The nucleus of a core device, as far as its token exchange: the daemon is told of it as a component is. */
async function startNucleus(cloud: LocalCloud, thing: LocalThing, device: Device): Promise<Nucleus> {
  const { credentialsEndpoint: endpoint, caFile } = cloud;
  const askCloud = cloudCredentials({ endpoint, alias: 'courier', caFile, thing });
  const nucleus = await new Nucleus({ kind: 'classic', thingName: thing.name, askCloud }).start();
  const { AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN } = nucleus.env();
  Object.assign(device.environment, { AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN });
  return nucleus;
}

/** @throws DemoFailure when TMPDIR will not do */
function makeRoot(): string {
  const template = join(tmpdir(), 'tc-demo-');
  const problem = findSocketPathProblem(socketPath(join(`${template}XXXXXX`, 'device', 'state')));
  if (problem !== undefined) {
    throw new DemoFailure(
      `TMPDIR is too long: a socket's path has at most 107 bytes on Linux, and the daemon's would be below ${tmpdir()}; try TMPDIR=/tmp npm run demo`,
    );
  }
  try {
    return mkdtempSync(template);
  } catch (cause) {
    throw new DemoFailure(
      `no folder can be made in ${tmpdir()} (${(cause as NodeJS.ErrnoException).code}); set TMPDIR to a folder that is there and yours`,
      { cause },
    );
  }
}
