import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { makeTemplate } from '../../src/cloud/template/make-template';
import { LocalCloud } from '../local-cloud/local-cloud';
import { adminS3 } from '../support/admin-s3';
import { resolveTemplate } from './resolve-template';

/** What `courier cloud` starts: killed, nothing of it is left. */
const CLOUD = resolve(__dirname, '../../dist/cloud.js');
const STACK = 'courier';
export const BUCKET = 'fleet-bucket';

export interface Outcome {
  /** undefined: it was killed */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** An account in which the template was deployed, and an operator with a folder of his own. */
export class OperatorSite {
  private constructor(
    readonly cloud: LocalCloud,
    readonly dir: string,
    readonly endpointUrl: string,
  ) {}

  static async start(parameters: Readonly<Record<string, string>> = {}): Promise<OperatorSite> {
    const dir = mkdtempSync(join(tmpdir(), 'operator-'));
    const cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    const { accountId, region } = cloud;
    const { resources, outputs } = resolveTemplate(makeTemplate({ tokenVendor: '', inboxNotifier: '' }), {
      parameters: { BucketName: BUCKET, ...parameters },
      accountId,
      region,
    });
    cloud.createBucket(BUCKET, { notifiesInbox: true });
    cloud.createRoleAlias(STACK, { policy: resources.DeviceRole.Properties.Policies[0].PolicyDocument });
    if (resources.JobsRole !== undefined)
      cloud.createRole('jobsrole', resources.JobsRole.Properties.Policies[0].PolicyDocument, ['iot.amazonaws.com']);
    const { PolicyName, PolicyDocument } = resources.ThingPolicy.Properties;
    cloud.registry.putPolicy(PolicyName, JSON.stringify(PolicyDocument));
    cloud.control.stacks.push({ name: STACK, outputs: outputs as Record<string, string> });
    return new OperatorSite(cloud, dir, await cloud.control.open());
  }

  async end(): Promise<void> {
    await this.cloud.stop();
    rmSync(this.dir, { recursive: true });
  }

  /** The variables of the operator's shell, and nothing of the machine's. */
  get environment(): Record<string, string> {
    const { accessKeyId, secretAccessKey } = this.cloud.admin;
    return {
      PATH: process.env.PATH ?? '',
      HOME: this.dir,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: this.cloud.region,
    };
  }

  /** `courier cloud …`, as it was built. @param kill rejects or resolves when it is to be killed */
  run(
    args: readonly string[],
    {
      endpointUrl = this.endpointUrl,
      environment = this.environment,
      kill,
      interrupt,
    }: {
      readonly endpointUrl?: string | undefined;
      readonly environment?: Record<string, string>;
      readonly kill?: Promise<unknown>;
      /** resolves when Ctrl-C is pressed */
      readonly interrupt?: Promise<unknown>;
    } = {},
  ): Promise<Outcome> {
    const end = args.includes('--') ? args.indexOf('--') : args.length; // behind it are names alone
    const given = [...args.slice(0, end), '--endpoint-url', endpointUrl, ...args.slice(end)];
    const child = spawn(process.execPath, [CLOUD, ...given], {
      cwd: this.dir,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Promise((fulfil, reject) => {
      const text = { stdout: '', stderr: '' };
      child.stdout.on('data', (chunk) => {
        text.stdout += String(chunk);
      });
      child.stderr.on('data', (chunk) => {
        text.stderr += String(chunk);
      });
      void kill?.then(() => child.kill('SIGKILL'));
      void interrupt?.then(() => child.kill('SIGINT'));
      child.on('error', reject);
      child.on('close', (status) => fulfil({ status: status ?? undefined, ...text }));
    });
  }

  /** Into the bucket, as somebody else with all rights. */
  async put(key: string, content: string): Promise<void> {
    const s3 = adminS3(this.cloud);
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: content }));
    s3.destroy();
  }

  /** From the bucket, as somebody else with all rights. */
  async remove(key: string): Promise<void> {
    const s3 = adminS3(this.cloud);
    await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
    s3.destroy();
  }

  read(path: string): string {
    return readFileSync(join(this.dir, path), 'utf8');
  }

  list(path: string): string[] {
    return readdirSync(join(this.dir, path)).sort();
  }
}
