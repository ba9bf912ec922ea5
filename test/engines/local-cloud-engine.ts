import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalCloud } from '../local-cloud/local-cloud';
import type { AccessKeys, Engine, EngineKind, KeysRequest, TemporaryKeys } from './engine';

/** Our own, which is to have no deviations. */
export const localCloud: EngineKind = {
  name: 'local cloud',
  deviations: [],
  findMissing: () => undefined,
  start: () => LocalCloudEngine.start(),
};

export class LocalCloudEngine implements Engine {
  readonly name = 'local cloud';
  readonly plainEndpoint = undefined;
  readonly pathStyle = true;

  private constructor(
    readonly cloud: LocalCloud,
    private readonly dir: string,
  ) {}

  static async start(): Promise<LocalCloudEngine> {
    const dir = await mkdtemp(join(tmpdir(), 'contract-cloud-'));
    return new LocalCloudEngine(await LocalCloud.start({ dir }), dir);
  }

  get endpoint(): string {
    return this.cloud.s3Endpoint;
  }

  get caFile(): string {
    return this.cloud.caFile;
  }

  get region(): string {
    return this.cloud.region;
  }

  get accountId(): string {
    return this.cloud.accountId;
  }

  get admin(): AccessKeys {
    return this.cloud.admin;
  }

  async createBucket(name: string): Promise<void> {
    this.cloud.createBucket(name);
  }

  async issueKeys({ policy, variables, seconds }: KeysRequest): Promise<TemporaryKeys> {
    return this.cloud.issueCredentials({
      policy,
      durationSeconds: seconds,
      ...(variables === undefined ? {} : { variables }),
    });
  }

  async stop(): Promise<void> {
    await this.cloud.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
