import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CloudFormationClient, CreateStackCommand } from '@aws-sdk/client-cloudformation';
import {
  CreatePolicyCommand,
  CreateThingCommand,
  CreateThingGroupCommand,
  DescribeJobCommand,
  GetJobDocumentCommand,
  IoTClient,
  ListCertificatesCommand,
} from '@aws-sdk/client-iot';
import {
  GetBucketNotificationConfigurationCommand,
  HeadObjectCommand,
  PutBucketNotificationConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Moto, moto } from '../engines/moto';
import { itWhere } from '../support/needs';
import type { Outcome } from './operator-site';

const CLOUD = resolve(__dirname, '../../dist/cloud.js');
const BUCKET = 'fleet-bucket';
const ROLE = 'arn:aws:iam::123456789012:role/jobs';
const OUTPUTS = {
  BucketName: BUCKET,
  RoleAliasName: 'courier',
  ThingPolicyName: 'courier-thing',
  ArchivePrefix: '{thing}/archive/',
  JobsRoleArn: ROLE,
  Mqtt: 'true',
  Tokens: 'false',
};

/** Somebody else's reading of the services' interfaces. It knows no owners of buckets, and no devices. */
describe('courier cloud against moto', () => {
  let engine: Moto;
  let dir: string;

  const run = (...args: readonly string[]): Promise<Outcome> =>
    new Promise((fulfil) => {
      const env = {
        HOME: dir,
        AWS_ACCESS_KEY_ID: engine.admin.accessKeyId,
        AWS_SECRET_ACCESS_KEY: engine.admin.secretAccessKey,
        AWS_REGION: engine.region,
        NODE_EXTRA_CA_CERTS: engine.caFile,
      };
      execFile(
        process.execPath,
        [CLOUD, ...args, '--endpoint-url', engine.endpoint],
        { cwd: dir, env },
        (error, stdout, stderr) => fulfil({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });

  itWhere(
    moto.findMissing(),
    'puts files, makes the job once, one certificate a thing, and reads what a bucket tells',
    async () => {
      engine = await Moto.start('anybody');
      dir = mkdtempSync(join(tmpdir(), 'operator-moto-'));
      const config = {
        endpoint: engine.endpoint,
        region: engine.region,
        credentials: engine.admin,
        requestHandler: { httpsAgent: new Agent({ ca: readFileSync(engine.caFile) }) },
      };
      const [formation, iot, s3] = [
        new CloudFormationClient(config),
        new IoTClient(config),
        new S3Client({ ...config, forcePathStyle: true }),
      ];
      try {
        await engine.createBucket(BUCKET);
        await formation.send(
          new CreateStackCommand({
            StackName: 'courier',
            TemplateBody: JSON.stringify({
              Resources: { Queue: { Type: 'AWS::SQS::Queue' } },
              Outputs: Object.fromEntries(Object.entries(OUTPUTS).map(([name, Value]) => [name, { Value }])),
            }),
          }),
        );
        await iot.send(new CreateThingCommand({ thingName: 'pump-1' }));
        await iot.send(new CreateThingGroupCommand({ thingGroupName: 'pumps' }));
        writeFileSync(join(dir, 'large.bin'), randomBytes(9_000_000));
        writeFileSync(join(dir, 'small.txt'), 'small');

        const sent = await run('send', 'pump-1', 'large.bin', 'small.txt');
        expect(sent).toMatchObject({ status: 0, stderr: '' });
        const head = await s3.send(
          new HeadObjectCommand({ Bucket: BUCKET, Key: 'pump-1/inbox/large.bin', ChecksumMode: 'ENABLED' }),
        );
        expect(head).toMatchObject({
          ContentLength: 9_000_000,
          ChecksumType: 'FULL_OBJECT',
          Metadata: { 'courier-id': expect.any(String), mtime: expect.any(String) },
        });
        expect((await run('send', 'pump-1', 'small.txt')).stderr).toContain('lies in the inbox of pump-1 already');

        const args = ['job', '--thing', 'pump-1', '--group', 'pumps', '--file', 'small.txt', '--expires', '5m'];
        const made = await run(...args, '--id', 'release-7');
        expect(made).toMatchObject({ status: 0, stderr: '' });
        expect(made.stdout).toContain('job release-7: made\n');
        expect((await run(...args, '--id', 'release-7')).stdout).toContain('job release-7: there; ');
        expect((await run(...args, '--id', 'release-7', '--path', 'other')).stderr).toContain('with another document');
        const { job } = await iot.send(new DescribeJobCommand({ jobId: 'release-7' }));
        expect(job).toMatchObject({
          targetSelection: 'SNAPSHOT',
          targets: ['thing/pump-1', 'thinggroup/pumps'].map((name) => `arn:aws:iot:us-east-1:123456789012:${name}`),
          presignedUrlConfig: { roleArn: ROLE, expiresInSec: 300 },
        });
        const { document } = await iot.send(new GetJobDocumentCommand({ jobId: 'release-7' }));
        expect(JSON.parse(document!).url).toBe(
          `\${aws:iot:s3-presigned-url-v2:https://s3.us-east-1.amazonaws.com/${BUCKET}/.jobs/release-7/small.txt}`,
        );
        expect((await run(...args, '--group', 'none')).stderr).toMatch(/^courier: there is no thing group none in us-/);

        // moto's certificates are not of the key that was sent: what was asked for is known again by its name.
        await iot.send(new CreatePolicyCommand({ policyName: OUTPUTS.ThingPolicyName, policyDocument: '{}' }));
        const certificates = async () => (await iot.send(new ListCertificatesCommand({}))).certificates!;
        for (const state of ['made', 'there']) {
          const added = await run('thing', 'add', 'device00');
          expect(added).toMatchObject({ status: 0, stderr: '' });
          expect(added.stdout).toContain(`thing device00: ${state}\n`);
          expect(added.stdout).toMatch(/warning: the certificate is not of the private key/);
          expect(await certificates()).toHaveLength(1);
          rmSync(join(dir, 'device00/certificate.pem')); // as if it had been cut off before
        }
        expect((await run('thing', 'rotate', 'device00')).status).toBe(0);
        expect((await run('thing', 'revoke', 'device00', '--former')).status).toBe(0);
        expect((await certificates()).map(({ status }) => status).sort()).toEqual(['ACTIVE', 'REVOKED']);
        expect((await run('thing', 'ls')).stdout).toMatch(/^device00 {2}[0-9a-f]{12}… /);
        expect((await run('thing', 'rm', 'device00')).status).toBe(0);
        expect(await certificates()).toEqual([]);

        const queue = {
          Id: 'q',
          QueueArn: 'arn:aws:sqs:us-east-1:123456789012:q',
          Events: ['s3:ObjectCreated:*' as const],
        };
        await s3.send(
          new PutBucketNotificationConfigurationCommand({
            Bucket: BUCKET,
            NotificationConfiguration: { QueueConfigurations: [queue] },
          }),
        );
        // moto takes EventBridge and does not tell of it when it is asked: so what would be written is looked at.
        const { stdout } = await run('bucket', '--print');
        const printed = / --notification-configuration '(.*)'\n$/.exec(stdout)![1]!;
        expect(JSON.parse(printed)).toEqual({ QueueConfigurations: [queue], EventBridgeConfiguration: {} });
        expect(await run('bucket')).toMatchObject({
          status: 0,
          stdout: expect.stringMatching(
            /^S3 has taken it that .* does not show it yet; see in some minutes: aws s3api/,
          ),
        });
        const { QueueConfigurations } = await s3.send(
          new GetBucketNotificationConfigurationCommand({ Bucket: BUCKET }),
        );
        expect(QueueConfigurations).toEqual([queue]);
      } finally {
        for (const client of [formation, iot, s3]) client.destroy();
        await engine.stop();
        rmSync(dir, { recursive: true });
      }
    },
  );
});
