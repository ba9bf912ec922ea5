import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '../../src/clock';
import { Component, type Edge } from '../../src/component';
import { parseConfig } from '../../src/config/load-config';
import type { LogFields, LogLevel } from '../../src/log';
import { LocalCloud } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { until } from './until';

export interface LogLine extends LogFields {
  readonly level: LogLevel;
  readonly message: string;
}

type Sections = Readonly<Record<string, object>>;

/** A courier in this process and the local cloud it talks to, in a folder of their own. */
export class Courier {
  readonly logs: LogLine[] = [];
  readonly broken: unknown[] = [];
  #component: Component | undefined;

  private constructor(
    readonly dir: string,
    readonly cloud: LocalCloud,
    readonly sections: Record<string, object>,
    private readonly edge: Partial<Edge>,
  ) {}

  static readonly bucket = 'fleet-bucket';
  static readonly thing = 'device00';

  static async create(
    options: {
      config?: Sections;
      policy?: PolicyDocument;
      tokenSeconds?: number;
      edge?: Partial<Edge>;
      cloud?: Omit<Parameters<typeof LocalCloud.start>[0], 'dir'>;
    } = {},
  ): Promise<Courier> {
    const dir = mkdtempSync(join(tmpdir(), 'courier-'));
    const cloud = await LocalCloud.start({ ...options.cloud, dir: join(dir, 'cloud') });
    cloud.createBucket(Courier.bucket);
    cloud.createRoleAlias('courier', {
      policy: options.policy ?? seedEPolicy(Courier.bucket),
      ...(options.tokenSeconds === undefined ? {} : { durationSeconds: options.tokenSeconds }),
    });
    const { certificateFile, privateKeyFile } = await cloud.createThing(Courier.thing);
    const outbox = join(dir, 'outbox');
    mkdirSync(outbox);
    const usual: Record<string, object> = {
      thing: { name: Courier.thing, certificateFile, privateKeyFile },
      s3: {
        bucket: Courier.bucket,
        region: cloud.region,
        endpoint: cloud.s3Endpoint,
        pathStyle: true,
        caFile: cloud.caFile,
      },
      credentials: {
        source: 'role-alias',
        roleAlias: { endpoint: cloud.credentialsEndpoint, alias: 'courier', caFile: cloud.caFile },
      },
      outboxes: [{ path: outbox, rescanSeconds: 0.1, settleSeconds: 0, claim: 'leave' }],
      // A busy machine may stand still for a second: a request given up then is followed by others, and tests count them.
      upload: { retryMaxSeconds: 1, probeMaxSeconds: 1, stallSeconds: 20 },
      state: { dir: join(dir, 'state') },
    };
    for (const [name, values] of Object.entries(options.config ?? {})) {
      usual[name] = Array.isArray(values) ? values : { ...usual[name], ...values };
    }
    return new Courier(dir, cloud, usual, options.edge ?? {});
  }

  get component(): Component {
    return this.#component!;
  }

  get outbox(): string {
    return join(this.dir, 'outbox');
  }

  async start(): Promise<this> {
    const edge: Edge = {
      tokenExchange: undefined,
      clock: systemClock,
      dice: Math.random,
      log: this.#recorder(),
      ...this.edge,
    };
    this.#component = await new Component(parseConfig(this.sections, {}), edge).start((error) =>
      this.broken.push(error),
    );
    return this;
  }

  async stop(): Promise<void> {
    await this.#component?.stop();
    this.#component = undefined;
  }

  /** Ends everything and removes the folder. @throws when a part of the courier broke meanwhile */
  async end(): Promise<void> {
    await this.stop();
    await this.cloud.stop();
    rmSync(this.dir, { recursive: true, force: true });
    if (this.broken.length > 0) throw this.broken[0];
  }

  /** Its outbox claims files, and looks often. */
  claims(options: object = {}): this {
    this.sections.outboxes = [
      { path: this.outbox, rescanSeconds: 0.1, settleSeconds: 0, deleteGraceSeconds: 0, ...options },
    ];
    return this;
  }

  /** Writes a file into the outbox. */
  drop(path: string, content: string | Uint8Array): string {
    const file = join(this.outbox, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  }

  async delivered(count: number, withinMs?: number): Promise<void> {
    await until(
      `${count} files delivered`,
      () => {
        const { uploads } = this.component.status();
        return uploads.done === count && uploads.queued + uploads.uploading === 0;
      },
      () => ({ status: this.component.status(), logs: this.logs.slice(-20), broken: this.broken.map(String) }),
      withinMs,
    );
  }

  async logged(message: string, count = 1): Promise<LogLine[]> {
    const lines = (): LogLine[] => this.logs.filter((line) => line.message === message);
    await until(
      `${count} × "${message}" in the log`,
      () => lines().length >= count,
      () => this.logs.slice(-20),
    );
    return lines();
  }

  async content(key: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.cloud.readObject(Courier.bucket, key)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  keys(): string[] {
    return this.cloud.objects(Courier.bucket).map(({ key }) => key);
  }

  #recorder() {
    const at = (level: LogLevel) => (fields: LogFields, message: string) => {
      this.logs.push({ ...fields, level, message });
    };
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }
}
