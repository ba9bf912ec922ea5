import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { askDaemon } from '../../src/cli/ask-daemon';
import type { StatusDocument } from '../../src/control/protocol';
import { LocalCloud } from '../local-cloud/local-cloud';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { adminS3 } from './admin-s3';
import type { LogLine } from './courier';
import type { AccessControlDocument } from './nucleus/access-control';
import { attachJobs } from './nucleus/attach-jobs';
import { cloudCredentials } from './nucleus/cloud-credentials';
import type { Configuration } from './nucleus/component-configuration';
import { Nucleus } from './nucleus/nucleus';
import type { NucleusKind, NucleusSwitches } from './nucleus/switches';
import { until } from './until';

export interface CoreDeviceOptions {
  readonly kind: NucleusKind;
  /** Laid over the usual settings, section by section. */
  readonly configuration?: Configuration;
  readonly accessControl?: AccessControlDocument;
  readonly switches?: Partial<NucleusSwitches>;
}

const BUILT = resolve(__dirname, '../../dist');

/** A Greengrass core device of the local cloud: a nucleus, and the built component as its child in a work folder. */
export class CoreDevice {
  /** Everything the component has printed, over all its lives. */
  output = '';
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #isOver = false;

  private constructor(
    readonly dir: string,
    readonly cloud: LocalCloud,
    readonly nucleus: Nucleus,
  ) {}

  static readonly bucket = 'fleet-bucket';
  static readonly thing = 'device00';

  static async create({ kind, configuration = {}, accessControl, switches }: CoreDeviceOptions): Promise<CoreDevice> {
    const dir = mkdtempSync(join(tmpdir(), 'core-'));
    const cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    cloud.createBucket(CoreDevice.bucket);
    cloud.createRoleAlias('exchange', { policy: seedEPolicy(CoreDevice.bucket) });
    const { certificateFile, privateKeyFile } = await cloud.createThing(CoreDevice.thing);
    const usual: Configuration = {
      s3: {
        bucket: CoreDevice.bucket,
        region: cloud.region,
        endpoint: cloud.s3Endpoint,
        pathStyle: true,
        caFile: cloud.caFile,
      },
      outboxes: [{ path: 'outbox', rescanSeconds: 0.1, settleSeconds: 0, deleteGraceSeconds: 0 }],
      upload: { retryMaxSeconds: 1, probeMaxSeconds: 1, stallSeconds: 20 },
    };
    const settings: Record<string, unknown> = { ...usual };
    for (const [name, values] of Object.entries(configuration))
      settings[name] =
        Array.isArray(values) || values === null ? values : { ...(settings[name] as object), ...(values as object) };
    const nucleus = await new Nucleus({
      kind,
      componentName: 'com.thingcourier.Courier',
      configuration: settings as Configuration,
      thingName: CoreDevice.thing,
      region: cloud.region,
      rootCaFile: cloud.caFile,
      askCloud: cloudCredentials({
        endpoint: cloud.credentialsEndpoint,
        alias: 'exchange',
        caFile: cloud.caFile,
        thing: { name: CoreDevice.thing, certificateFile, privateKeyFile },
      }),
      ...(accessControl === undefined ? {} : { accessControl }),
      ...(switches === undefined ? {} : { switches }),
    }).start();
    attachJobs(nucleus.iotCore, cloud.jobs);
    const device = new CoreDevice(dir, cloud, nucleus);
    mkdirSync(device.work);
    nucleus.onRestartWanted = () => void device.#restart();
    return device;
  }

  get work(): string {
    return join(this.dir, 'work');
  }

  get outbox(): string {
    return join(this.work, 'outbox');
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get logs(): LogLine[] {
    return this.output
      .split('\n')
      .slice(0, -1) // of the last line not all may have come
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** @param env laid over what the nucleus gives, an empty value takes one away @param command that runs main.js */
  start(
    env: Readonly<Record<string, string>> = {},
    [command, ...args]: readonly [string, ...string[]] = [process.execPath, join(BUILT, 'main.js')],
  ): this {
    const given = { PATH: process.env.PATH!, ...this.nucleus.env(), ...env };
    const child = spawn(command, [...args, '--log-level', 'debug'], {
      cwd: this.work,
      env: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '')),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    this.#child = child;
    this.#ended = once(child, 'close'); // then all it printed has come
    return this;
  }

  /** As the nucleus ends it. @returns its exit code, null when it had to be killed */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.isRunning) this.#child!.kill(signal);
    return this.exited();
  }

  async exited(): Promise<number | null> {
    await this.#ended;
    return this.#child?.exitCode ?? null;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.stop('SIGKILL');
    await this.nucleus.stop();
    await this.cloud.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  drop(path: string, content: string | Uint8Array): void {
    const file = join(this.outbox, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }

  status(stateDir: string = join(this.work, 'state')): Promise<StatusDocument> {
    return askDaemon<StatusDocument>(stateDir, { command: 'status' });
  }

  /** Somebody else puts an object into the bucket. */
  async put(key: string, content: string): Promise<void> {
    const s3 = adminS3(this.cloud);
    await s3.send(new PutObjectCommand({ Bucket: CoreDevice.bucket, Key: key, Body: Buffer.from(content) }));
    s3.destroy();
  }

  /** The wrapper that the component wrote into its work folder. */
  courier(...args: string[]): Promise<string> {
    return new Promise((done, fail) => {
      execFile(join(this.work, 'courier'), args, { env: {} }, (error, stdout) =>
        error === null ? done(stdout) : fail(error),
      );
    });
  }

  async logged(message: string, count = 1): Promise<LogLine[]> {
    const lines = (): LogLine[] => this.logs.filter((line) => line.message === message);
    await this.#until(`${count} × "${message}" in the log`, () => lines().length >= count);
    return lines();
  }

  async stored(key: string): Promise<void> {
    await this.#until(`${key} in S3`, () => this.keys().includes(key));
  }

  keys(): string[] {
    return this.cloud.objects(CoreDevice.bucket).map(({ key }) => key);
  }

  async content(key: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.cloud.readObject(CoreDevice.bucket, key)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  async #restart(): Promise<void> {
    await this.stop();
    if (!this.#isOver) this.start();
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    await until(what, holds, () => this.output.split('\n').slice(-30));
  }
}
