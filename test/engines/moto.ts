import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBucket } from './create-bucket';
import { Daemon } from './daemon';
import type { AccessKeys, Engine, EngineKind, KeysRequest, TemporaryKeys } from './engine';
import { findProgram } from './find-program';
import { findFreePorts } from './free-ports';
import { createLoopbackCertificate } from './loopback-certificate';
import { MOTO_CHECKING_DEVIATIONS, MOTO_DEVIATIONS } from './moto-deviations';
import { fillVariables } from './policy-variables';
import { callQueryApi, getElement, parseTemporaryKeys } from './query-api';
import { sendSigned } from './signed-request';

const READY_MS = 60_000;
const ANYBODY: AccessKeys = { accessKeyId: 'AKIAANYBODY', secretAccessKey: 'moto does not look yet' };
const EVERYTHING = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };

const findMissing = () => (findProgram('moto_server') === undefined ? 'moto_server is not installed' : undefined);

/** As it is started by default: it serves anybody. Its S3 is what it is good for. */
export const moto: EngineKind = {
  name: 'moto',
  deviations: MOTO_DEVIATIONS,
  findMissing,
  start: () => Moto.start('anybody'),
};

/** With its checks on. They refuse valid signatures of keys and queries with escapes: of use for access alone. */
export const motoChecking: EngineKind = {
  name: 'moto, checking signatures',
  deviations: MOTO_CHECKING_DEVIATIONS,
  findMissing,
  start: () => Moto.start('signed'),
};

/** moto's server. Temporary keys belong to a role each, which carries the policy: it does not look at session policies. */
export class Moto implements Engine {
  readonly name = 'moto';
  readonly plainEndpoint = undefined;
  readonly region = 'us-east-1';
  readonly pathStyle = true;
  readonly accountId = '123456789012';
  private roles = 0;
  private keys = ANYBODY;

  private constructor(
    private readonly daemon: Daemon,
    private readonly dir: string,
    readonly endpoint: string,
    readonly caFile: string,
    private readonly ca: string,
  ) {}

  get admin(): AccessKeys {
    return this.keys;
  }

  static async start(serve: 'anybody' | 'signed'): Promise<Moto> {
    const missing = moto.findMissing();
    if (missing !== undefined) throw new Error(missing);
    const dir = await mkdtemp(join(tmpdir(), 'moto-'));
    const { caFile, certificateFile, keyFile } = await createLoopbackCertificate(dir);
    const [port = 0] = await findFreePorts(1);
    const args = ['-H', '127.0.0.1', '-p', String(port), '-s', '-c', certificateFile, '-k', keyFile];
    const daemon = new Daemon('moto_server', args, join(dir, 'moto.out'));
    const ca = await readFile(caFile, 'utf8');
    const engine = new Moto(daemon, dir, `https://127.0.0.1:${port}`, caFile, ca);
    try {
      await daemon.waitForPort(port, READY_MS);
      await engine.createAdmin();
      if (serve === 'signed') await engine.demandSignatures();
    } catch (error) {
      await engine.stop();
      throw error;
    }
    return engine;
  }

  async createBucket(name: string): Promise<void> {
    await createBucket(this, this.ca, name);
  }

  async issueKeys({ policy, variables, seconds }: KeysRequest): Promise<TemporaryKeys> {
    const RoleName = `edge-${++this.roles}`;
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }],
    };
    const created = await this.iam({
      Action: 'CreateRole',
      RoleName,
      AssumeRolePolicyDocument: JSON.stringify(trust),
    });
    await this.iam({
      Action: 'PutRolePolicy',
      RoleName,
      PolicyName: 'contract',
      PolicyDocument: fillVariables(policy, variables),
    });
    const assumed = await callQueryApi(this.api('sts'), {
      Action: 'AssumeRole',
      Version: '2011-06-15',
      RoleArn: getElement(created, 'Arn'),
      RoleSessionName: 'contract',
      DurationSeconds: String(seconds),
    });
    return parseTemporaryKeys(assumed);
  }

  async stop(): Promise<void> {
    await this.daemon.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  private async createAdmin(): Promise<void> {
    const UserName = 'admin';
    await this.iam({ Action: 'CreateUser', UserName });
    const PolicyDocument = JSON.stringify(EVERYTHING);
    await this.iam({ Action: 'PutUserPolicy', UserName, PolicyName: 'everything', PolicyDocument });
    const created = await this.iam({ Action: 'CreateAccessKey', UserName });
    this.keys = {
      accessKeyId: getElement(created, 'AccessKeyId'),
      secretAccessKey: getElement(created, 'SecretAccessKey'),
    };
  }

  /** The count of requests moto still answers to anybody becomes 0. */
  private async demandSignatures(): Promise<void> {
    const answer = await sendSigned({ ...this.api('sts'), method: 'POST', path: '/moto-api/reset-auth', body: '0' });
    if (answer.status !== 200) throw new Error(`moto did not take reset-auth: ${answer.status} ${answer.text}`);
  }

  private iam(parameters: Readonly<Record<string, string>>): Promise<string> {
    return callQueryApi(this.api('iam'), { Version: '2010-05-08', ...parameters });
  }

  private api<Service extends 'iam' | 'sts'>(service: Service) {
    return { endpoint: this.endpoint, ca: this.ca, region: this.region, service, keys: this.keys };
  }
}
