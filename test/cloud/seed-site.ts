import { join } from 'node:path';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Component } from '../../src/component';
import type { ObjectStore } from '../../src/upload/object-store';
import type { PolicyDocument } from '../local-cloud/policy';
import type { RequestRecord } from '../local-cloud/request-log';
import { adminS3 } from '../support/admin-s3';
import { Courier } from '../support/courier';
import { until } from '../support/until';
import { urlPlaceholder } from '../support/url-placeholder';
import { howToAccount, type SeedAccount, type SeedName, templateAccount } from './seed-account';

export type NotedCall = Pick<RequestRecord, 'operation' | 'bucket' | 'key' | 'prefix' | 'status'>;

/** Another S3 in the place of the local cloud's. */
export interface OtherS3 {
  readonly bucket: string;
  /** Of the configuration. */
  readonly s3: object;
  readonly upload: object;
  readonly owner: S3Client;
  /** What the device has asked of it. */
  readonly calls: readonly NotedCall[];
  issueKeys(request: {
    policy: PolicyDocument;
    variables: Record<string, string>;
    seconds: number;
  }): ReturnType<NonNullable<Parameters<Courier['cloud']['issueFrom']>[0]>>;
  /** @returns a URL that the policy's holder signs */
  presign(policy: PolicyDocument, bucket: string, key: string): Promise<string>;
}

/**
 * What a device has asked for, and how it was answered; each once, in order of the alphabet: `<operation> <key or prefix>`
 * of S3 (HEAD needs s3:GetObject, all of a multipart upload but ListParts s3:PutObject), `<action> <topic>` of AWS IoT.
 */
export interface Calls {
  readonly passes: readonly string[];
  readonly isDenied: readonly string[];
}

export type AccountKind = 'how-to' | 'template';

/** One device in an account that grants what a how-to grants, or the template; everything that it asks for is noted. */
export class SeedSite {
  #lives = 0;
  #holdsParts = false;

  private constructor(
    readonly courier: Courier,
    private readonly account: SeedAccount,
    private readonly owner: S3Client,
    private readonly other: OtherS3 | undefined,
  ) {}

  static async create(seed: SeedName, kind: AccountKind, other?: OtherS3): Promise<SeedSite> {
    const holder: { site?: SeedSite } = {};
    const courier = await Courier.create({ edge: { wrapStore: (store) => holder.site!.#heldStore(store) } });
    try {
      const account = (kind === 'how-to' ? howToAccount : templateAccount)(
        seed,
        courier.cloud,
        other?.bucket ?? Courier.bucket,
      );
      holder.site = new SeedSite(courier, account, other?.owner ?? adminS3(courier.cloud), other);
      await holder.site.#setUp();
      return holder.site;
    } catch (error) {
      await courier.end();
      throw error;
    }
  }

  get bucket(): string {
    return this.other?.bucket ?? Courier.bucket;
  }

  /** Of the configuration. */
  get roleAlias(): object {
    return (this.courier.sections.credentials as { readonly roleAlias: object }).roleAlias;
  }

  /** Of which nothing is granted. */
  get otherBucket(): string {
    return `${this.bucket}-other`;
  }

  /** Not by the device: before it lives. */
  async put(Key: string, content: string, more: Partial<PutObjectCommandInput> = {}): Promise<void> {
    await this.owner.send(new PutObjectCommand({ Bucket: this.bucket, Key, Body: content, ...more }));
    this.courier.cloud.clearRequests();
  }

  async keys(): Promise<string[]> {
    if (this.other === undefined) return this.courier.keys();
    const { Contents = [] } = await this.owner.send(new ListObjectsV2Command({ Bucket: this.bucket }));
    return Contents.map(({ Key }) => Key!);
  }

  async content(Key: string): Promise<Buffer> {
    if (this.other === undefined) return this.courier.content(Key);
    const { Body } = await this.owner.send(new GetObjectCommand({ Bucket: this.bucket, Key }));
    return Buffer.from(await Body!.transformToByteArray());
  }

  /**
   * A device starts with nothing, does what it is configured for, and stops.
   * @param more sections beside those of the site
   * @returns its state, with which another may go on
   */
  async live(more: Record<string, object>, act: (component: Component) => Promise<unknown>): Promise<object> {
    const { sections, dir } = this.courier;
    const before = { ...sections };
    this.#lives++;
    const state = more.state ?? { dir: join(dir, `state-${this.#lives}`) };
    Object.assign(sections, more, { state });
    for (const name of ['credentials', 'upload']) {
      if (more[name] !== undefined) sections[name] = { ...before[name], ...more[name] };
    }
    await this.courier.start();
    await act(this.courier.component);
    await this.courier.stop();
    for (const name of Object.keys(sections)) delete sections[name];
    Object.assign(sections, before);
    return state;
  }

  /** A folder of this life. */
  folder(name: string): string {
    return join(this.courier.dir, `${name}-${this.#lives + 1}`);
  }

  /** @returns what stands in a job document for a URL, and what its job is made with */
  async url(key: string, bucket: string): Promise<{ readonly url: string; readonly presignedUrlConfig?: object }> {
    if (this.other !== undefined) return { url: await this.other.presign(this.account.jobs, bucket, key) };
    return {
      url: urlPlaceholder({ bucket, key }),
      presignedUrlConfig: { rolePolicy: this.account.jobs },
    };
  }

  /** Parts after the first do not go while it is true. */
  holdParts(holds: boolean): void {
    this.#holdsParts = holds;
  }

  get calls(): Calls {
    const { cloud } = this.courier;
    const ofS3 = [...cloud.requests, ...(this.other?.calls ?? [])].map((call: NotedCall) => ({
      said: this.#say(call),
      isDenied: call.status === 403,
    }));
    const denied = cloud.mqtt.denials.map(({ action, name }) => `${action} ${name}`);
    const those = (isDenied: boolean): string[] =>
      ofS3.filter((one) => one.isDenied === isDenied).map(({ said }) => said);
    return {
      passes: [...new Set([...those(false), ...cloud.mqtt.grants])].sort(),
      isDenied: [...new Set([...those(true), ...denied])].sort(),
    };
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    await until(what, holds, () => ({
      calls: this.calls,
      status: this.courier.component.status(),
      logs: this.courier.logs.slice(-20),
    }));
  }

  untilDenied(call: string): Promise<void> {
    return this.until(`${call} is denied`, () => this.calls.isDenied.includes(call));
  }

  untilPassed(call: string): Promise<void> {
    return this.until(`${call} passes`, () => this.calls.passes.includes(call));
  }

  async end(): Promise<void> {
    if (this.other === undefined) this.owner.destroy();
    await this.courier.end();
  }

  async #setUp(): Promise<void> {
    const { account, other } = this;
    const { cloud, sections } = this.courier;
    if (account.alias === undefined) delete sections.credentials;
    else cloud.createRoleAlias('courier', account.alias);
    await cloud.createThing(Courier.thing, { certificatePolicy: account.certificate });
    account.vendTokens(cloud, this.bucket);
    cloud.createBucket(this.otherBucket);
    sections.mqtt = { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile };
    sections.outboxes = [];
    // An answer given up is followed by calls that no table has.
    sections.upload = { ...sections.upload, stallSeconds: 30, ...other?.upload };
    if (other === undefined) return;
    sections.s3 = { ...sections.s3, ...other.s3, bucket: other.bucket };
    cloud.issueFrom(({ policy, sessionPolicy, ...more }) =>
      other.issueKeys({ ...more, policy: sessionPolicy ?? policy }),
    );
  }

  #say({ operation, bucket, key, prefix }: NotedCall): string {
    const where = bucket === this.otherBucket ? 'other bucket: ' : '';
    return `${operation} ${where}${key ?? prefix}`.replace(/\d{8}T\d{6}Z/, '<time>');
  }

  #heldStore(store: ObjectStore): ObjectStore {
    return new Proxy(store, {
      get: (target, name: keyof ObjectStore) => {
        if (name !== 'uploadPart') {
          const value = target[name];
          return typeof value === 'function' ? value.bind(target) : value;
        }
        return async (...args: Parameters<ObjectStore['uploadPart']>) => {
          const [, part, , signal] = args;
          if (this.#holdsParts && part.number > 1)
            await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
          return target.uploadPart(...args);
        };
      },
    });
  }
}
