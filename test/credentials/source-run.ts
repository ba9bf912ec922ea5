import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seedBIotPolicy } from '../local-cloud/seed-iot-policies';
import { thingOnlyPolicy } from '../local-cloud/seed-policies';
import { ConnectProxy } from '../support/connect-proxy';
import { Courier } from '../support/courier';
import { cloudCredentials } from '../support/nucleus/cloud-credentials';
import { Nucleus } from '../support/nucleus/nucleus';

export const SOURCES = ['role-alias', 'token-exchange', 'mqtt-token'] as const;
export type Source = (typeof SOURCES)[number];

const MIB = 1024 * 1024;
const PART_BYTES = 5 * MIB;

export interface SourceRunOptions {
  readonly source: Source;
  readonly files: number;
  readonly largeMib: number;
  readonly tokenSeconds: number;
  /** Out of the device: so that tokens end while the large file goes. */
  readonly mibPerSecond: number;
  /** Of another store than the local cloud's. */
  readonly s3?: object;
  readonly upload?: object;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Small files and a large one, with tokens that allow PutObject alone and end many times meanwhile. */
export class SourceRun {
  /** What lies in the outbox, by path, as SHA-256. */
  readonly digests = new Map<string, string>();
  #startedMs = 0;
  #seconds = 0;

  private constructor(
    readonly courier: Courier,
    private readonly options: SourceRunOptions,
    private readonly proxy: ConnectProxy,
    private readonly nucleus: Nucleus,
    private readonly issued: () => number,
  ) {}

  static async create(options: SourceRunOptions): Promise<SourceRun> {
    const { source, tokenSeconds, mibPerSecond } = options;
    const proxy = await ConnectProxy.start({ bytesPerSecond: mibPerSecond * MIB });
    const tokenExchange = { uri: '', authorization: '' };
    const courier = await Courier.create({
      policy: thingOnlyPolicy(Courier.bucket),
      tokenSeconds,
      edge: { tokenExchange },
      config: {
        credentials: { source },
        proxy: { url: proxy.url },
        upload: {
          singlePutMaxBytes: MIB,
          partSizeBytes: PART_BYTES,
          parallelParts: 2,
          stallSeconds: 10,
          ...options.upload,
        },
        ...(options.s3 === undefined ? {} : { s3: options.s3 }),
      },
    });
    const { cloud } = courier;
    const thing = await cloud.createThing(Courier.thing);
    const nucleus = await new Nucleus({
      kind: 'lite',
      askCloud: cloudCredentials({
        endpoint: cloud.credentialsEndpoint,
        alias: 'courier',
        caFile: cloud.caFile,
        thing,
      }),
    }).start();
    const env = nucleus.env();
    Object.assign(tokenExchange, {
      uri: env.AWS_CONTAINER_CREDENTIALS_FULL_URI,
      authorization: env.AWS_CONTAINER_AUTHORIZATION_TOKEN,
    });
    const issued = source === 'mqtt-token' ? () => cloud.sts.sessions.length : () => cloud.counters.Credentials ?? 0;
    if (source === 'mqtt-token') {
      cloud.createTokenVendor(Courier.bucket, { durationSeconds: tokenSeconds });
      await cloud.createThing(Courier.thing, { certificatePolicy: seedBIotPolicy(cloud, Courier.thing) });
      courier.sections.mqtt = { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile };
    }
    return new SourceRun(courier, options, proxy, nucleus, issued);
  }

  get total(): number {
    return this.options.files + 1;
  }

  /** Drops the files, and starts. */
  async begin(): Promise<void> {
    const { files, largeMib } = this.options;
    const drop = (path: string, content: Buffer): void => {
      mkdirSync(join(this.courier.outbox, path, '..'), { recursive: true });
      writeFileSync(join(this.courier.outbox, path), content);
      this.digests.set(path, sha256(content));
    };
    drop('large.bin', randomBytes(largeMib * MIB));
    for (let i = 0; i < files; i++) drop(`small/${i}`, randomBytes(500 + i));
    this.#startedMs = performance.now();
    await this.courier.start();
  }

  async finish(): Promise<void> {
    await this.courier.delivered(this.total, 240_000);
    this.#seconds = (performance.now() - this.#startedMs) / 1000;
  }

  /** Bytes that left the device for each byte of its files, and what became of parts and tokens. */
  get findings() {
    const { largeMib } = this.options;
    const told = (message: string): number => this.courier.logs.filter((line) => line.message === message).length;
    return {
      tokens: this.issued(),
      partsSent: told('part sent'),
      parts: Math.ceil((largeMib * MIB) / PART_BYTES),
      sentPerByte: this.proxy.bytesUp / (largeMib * MIB),
      failures: told('file cannot be delivered'),
      refusals: this.courier.logs.filter(({ level }) => level === 'error').length,
    };
  }

  get summary(): string {
    const { source, files, largeMib, tokenSeconds } = this.options;
    const { tokens, partsSent, parts, sentPerByte } = this.findings;
    return `${source}: ${files} files and one of ${largeMib} MiB in ${this.#seconds.toFixed(0)} s, ${tokens} tokens of ${tokenSeconds} s, ${partsSent} parts sent of ${parts}, ${sentPerByte.toFixed(3)} bytes out for each byte`;
  }

  async end(): Promise<void> {
    await this.courier.end();
    await this.nucleus.stop();
    await this.proxy.stop();
  }
}
