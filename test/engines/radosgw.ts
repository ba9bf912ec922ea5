import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cephConf, cephKeyring } from './ceph-conf';
import { createBucket } from './create-bucket';
import { Daemon } from './daemon';
import type { Engine, EngineKind, KeysRequest, TemporaryKeys } from './engine';
import { findProgram } from './find-program';
import { findFreePorts } from './free-ports';
import { createLoopbackCertificate } from './loopback-certificate';
import { fillVariables } from './policy-variables';
import { callQueryApi, parseTemporaryKeys } from './query-api';
import { RADOSGW_DEVIATIONS } from './radosgw-deviations';

const run = promisify(execFile);

const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'ceph', 'monmaptool', 'ceph-authtool'];
const ADMIN = { accessKeyId: 'AKIDADMIN00000000001', secretAccessKey: 'secret-of-the-admin-of-one-test-run' };
const BROKER = { accessKeyId: 'AKIDBROKER0000000001', secretAccessKey: 'secret-of-the-broker-of-one-test-run' };
const ROLE = 'edge';
const TRUST = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: ['arn:aws:iam:::user/broker'] }, Action: ['sts:AssumeRole'] }],
};
const ALL_OF_S3 = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] }],
};
const READY_MS = 60_000;

export const radosgw: EngineKind = {
  name: 'radosgw',
  deviations: RADOSGW_DEVIATIONS,
  findMissing: () =>
    PROGRAMS.every((program) => findProgram(program) !== undefined)
      ? undefined
      : 'radosgw is not installed (apt-get install --no-install-recommends radosgw ceph-mon ceph-osd)',
  start: () => Radosgw.start(),
};

/** Ceph's S3 gateway on a cluster of its own. Temporary keys come from its STS, the policy as session policy. */
export class Radosgw implements Engine {
  readonly name = 'radosgw';
  readonly region = 'us-east-1';
  readonly pathStyle = true;
  readonly accountId = '';
  readonly admin = ADMIN;
  private readonly daemons: Daemon[] = [];
  private readonly environment: NodeJS.ProcessEnv;
  private gateway: Daemon | undefined;

  private constructor(
    private readonly dir: string,
    readonly caFile: string,
    private readonly ca: string,
    private readonly monitorPort: number,
    private readonly httpPort: number,
    private readonly httpsPort: number,
  ) {
    this.environment = { ...process.env, CEPH_CONF: join(dir, 'ceph.conf') };
  }

  get endpoint(): string {
    return `https://127.0.0.1:${this.httpsPort}`;
  }

  get plainEndpoint(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  /** @param store `bluestore` keeps its objects through `kill9Gateway` and a stop of the disk; it starts slower */
  static async start(store: 'memstore' | 'bluestore' = 'memstore'): Promise<Radosgw> {
    const missing = radosgw.findMissing();
    if (missing !== undefined) throw new Error(missing);
    const dir = await mkdtemp(join(tmpdir(), 'radosgw-'));
    const [monitorPort = 0, httpPort = 0, httpsPort = 0] = await findFreePorts(3);
    const { caFile, certificateFile, keyFile } = await createLoopbackCertificate(dir);
    const clusterId = randomUUID();
    const settings = { dir, clusterId, monitorPort, httpPort, httpsPort, certificateFile, keyFile, store };
    await writeFile(join(dir, 'ceph.conf'), cephConf(settings));
    const ca = await readFile(caFile, 'utf8');
    const engine = new Radosgw(dir, caFile, ca, monitorPort, httpPort, httpsPort);
    try {
      await engine.startCluster(clusterId);
      await engine.startGateway();
      await engine.createPrincipals();
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
    const sts = { endpoint: this.endpoint, ca: this.ca, region: this.region, service: 'sts' as const, keys: BROKER };
    return parseTemporaryKeys(
      await callQueryApi(sts, {
        Action: 'AssumeRole',
        Version: '2011-06-15',
        RoleArn: `arn:aws:iam:::role/${ROLE}`,
        RoleSessionName: 'contract',
        DurationSeconds: String(seconds),
        Policy: fillVariables(policy, variables),
      }),
    );
  }

  /** What a power cut does to the gateway; the cluster behind it stays. */
  async kill9Gateway(): Promise<void> {
    await this.gateway?.kill9();
  }

  async startGateway(): Promise<void> {
    this.gateway = this.daemon('radosgw', ['-f', '--no-mon-config', '-n', 'client.admin']);
    await this.gateway.waitForPort(this.httpsPort, READY_MS);
  }

  async stop(): Promise<void> {
    await this.gateway?.stop();
    for (const daemon of this.daemons.reverse()) await daemon.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  private async startCluster(clusterId: string): Promise<void> {
    const inDir = (name: string) => join(this.dir, name);
    await Promise.all([mkdir(inDir('mon')), mkdir(inDir('osd'))]);
    const { stdout: key } = await this.run('ceph-authtool', '--gen-print-key');
    await writeFile(inDir('keyring'), cephKeyring(key.trim()), { mode: 0o600 });
    const address = `[v2:127.0.0.1:${this.monitorPort}]`;
    await this.run('monmaptool', '--create', '--fsid', clusterId, '--addv', 'a', address, inDir('monmap'));
    await this.run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', inDir('monmap'), '--keyring', inDir('keyring'));
    const monitor = this.daemon('ceph-mon', ['-f', '-i', 'a']);
    this.daemons.push(monitor);
    await monitor.waitForPort(this.monitorPort, READY_MS);
    const disk = randomUUID();
    await this.run('ceph', '--connect-timeout', '20', 'osd', 'new', disk);
    await this.run('ceph-osd', '--mkfs', '-i', '0', '--osd-uuid', disk);
    this.daemons.push(this.daemon('ceph-osd', ['-f', '-i', '0']));
  }

  private async createPrincipals(): Promise<void> {
    const admin = (...args: string[]) => this.run('radosgw-admin', '--admin-socket=none', ...args);
    const user = (name: string, keys: typeof ADMIN) => {
      const pair = ['--access-key', keys.accessKeyId, '--secret', keys.secretAccessKey];
      return admin('user', 'create', '--uid', name, '--display-name', name, ...pair);
    };
    await user('admin', ADMIN);
    await user('broker', BROKER);
    await admin('role', 'create', '--role-name', ROLE, '--assume-role-policy-doc', JSON.stringify(TRUST));
    await admin(
      'role-policy',
      'put',
      '--role-name',
      ROLE,
      '--policy-name',
      's3',
      '--policy-doc',
      JSON.stringify(ALL_OF_S3),
    );
  }

  private daemon(program: string, args: readonly string[]): Daemon {
    return new Daemon(program, args, join(this.dir, `${program}.out`), this.environment);
  }

  private run(program: string, ...args: string[]): Promise<{ stdout: string }> {
    return run(program, args, { env: this.environment, timeout: READY_MS });
  }
}
