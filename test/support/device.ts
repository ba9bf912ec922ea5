import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { askDaemon } from '../../src/cli/ask-daemon';
import type { StatusDocument, UploadSummary } from '../../src/control/protocol';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import { seedEPolicy } from '../local-cloud/seed-policies';

export interface DeviceOptions {
  readonly dir: string;
  readonly cloud: LocalCloud;
  readonly thing?: string;
  readonly bucket?: string;
  readonly tokenSeconds?: number;
  /** Default: to get credentials. */
  readonly certificatePolicy?: PolicyDocument;
  /** Sections laid over the usual ones. */
  readonly config?: Readonly<Record<string, object>>;
}

const MAIN = resolve(__dirname, '../../dist/main.js');
const POLL_MS = 20;

/** A device of the local cloud: its certificate, its configuration, and the built daemon as a child. */
export class Device {
  /** All the daemon has printed, over all its lives. */
  output = '';
  /** Laid over that of this process. */
  readonly environment: Record<string, string> = {};
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly dir: string,
    readonly thing: string,
    readonly bucket: string,
    readonly configFile: string,
  ) {}

  static async create({
    dir,
    cloud,
    thing = 'device00',
    bucket = 'fleet-bucket',
    tokenSeconds,
    certificatePolicy,
    config = {},
  }: DeviceOptions): Promise<Device> {
    const device = new Device(dir, thing, bucket, join(dir, 'courier.yaml'));
    mkdirSync(device.outbox, { recursive: true });
    cloud.createBucket(bucket);
    cloud.createRoleAlias('courier', {
      policy: seedEPolicy(bucket),
      ...(tokenSeconds === undefined ? {} : { durationSeconds: tokenSeconds }),
    });
    const { certificateFile, privateKeyFile } = await cloud.createThing(
      thing,
      certificatePolicy === undefined ? {} : { certificatePolicy },
    );
    const sections: Record<string, object> = {
      thing: { name: thing, certificateFile, privateKeyFile },
      s3: { bucket, region: cloud.region, endpoint: cloud.s3Endpoint, pathStyle: true, caFile: cloud.caFile },
      credentials: {
        source: 'role-alias',
        roleAlias: { endpoint: cloud.credentialsEndpoint, alias: 'courier', caFile: cloud.caFile },
      },
      state: { dir: device.stateDir },
      upload: { retryMaxSeconds: 1, probeMaxSeconds: 1, stallSeconds: 20 },
    };
    for (const [name, values] of Object.entries(config)) sections[name] = { ...sections[name], ...values };
    const outboxes = config.outboxes ?? [{ path: device.outbox, rescanSeconds: 0.2, settleSeconds: 0, claim: 'leave' }];
    writeFileSync(device.configFile, JSON.stringify({ ...sections, outboxes }, null, 2)); // JSON is YAML
    return device;
  }

  get outbox(): string {
    return join(this.dir, 'outbox');
  }

  get stateDir(): string {
    return join(this.dir, 'state');
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** @param under a command that runs it, `unshare -r` for one */
  start(args: readonly string[] = [], nodeArgs: readonly string[] = [], under: readonly string[] = []): this {
    const [command, ...rest] = [...under, process.execPath, ...nodeArgs, MAIN, '--config', this.configFile, ...args];
    const child = spawn(command!, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.environment },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.#child = child;
    this.#ended = once(child, 'close'); // then all it printed has come
    return this;
  }

  /** @returns the exit code */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async exited(): Promise<number | null> {
    await this.#ended;
    return this.#child?.exitCode ?? null;
  }

  status(): Promise<StatusDocument> {
    return askDaemon<StatusDocument>(this.stateDir, { command: 'status' });
  }

  list(state: string, limit = 1_000): Promise<UploadSummary[]> {
    return askDaemon<UploadSummary[]>(this.stateDir, { command: 'ls', state, limit });
  }

  /** @throws when the daemon ends instead, or `withinMs` passes: with what it printed */
  async waitFor(what: string, holds: (status: StatusDocument) => boolean, withinMs = 60_000): Promise<StatusDocument> {
    const deadline = Date.now() + withinMs;
    let last: StatusDocument | undefined;
    while (Date.now() < deadline) {
      last = await this.status().catch(() => undefined);
      if (last !== undefined && holds(last)) return last;
      if (!this.isRunning) break;
      await delay(POLL_MS);
    }
    throw new Error(
      `${what}: did not come${this.isRunning ? '' : ', the daemon ended'}\n${JSON.stringify(last)}\n${this.output.slice(-4_000)}`,
    );
  }

  delivered(count: number, withinMs?: number): Promise<StatusDocument> {
    return this.waitFor(
      `${count} files delivered`,
      ({ uploads }) => uploads.done === count && uploads.queued + uploads.uploading === 0,
      withinMs,
    );
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.isRunning) this.#child!.kill(signal);
    return this.exited();
  }
}
