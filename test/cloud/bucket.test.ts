import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
} from '@aws-sdk/client-s3';
import { describeAbandonedUploads } from '../../src/cloud/bucket/abandoned-uploads';
import { Bucket } from '../../src/cloud/bucket/bucket';
import type { PolicyDocument } from '../local-cloud/policy';
import { adminS3 } from '../support/admin-s3';
import { BUCKET, OperatorSite } from './operator-site';

/** As somebody has set it up before us. */
const THEIRS: NotificationConfiguration = {
  TopicConfigurations: [
    {
      Id: 'to <everybody>',
      TopicArn: 'arn:aws:sns:eu-central-1:123456789012:new-files',
      Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:Delete'],
      Filter: {
        Key: {
          FilterRules: [
            { Name: 'prefix', Value: "it's/ü&/" },
            { Name: 'suffix', Value: '.jpg' },
          ],
        },
      },
    },
  ],
  QueueConfigurations: [
    { Id: 'q', QueueArn: 'arn:aws:sqs:eu-central-1:123456789012:q', Events: ['s3:ObjectCreated:Put'] },
  ],
  LambdaFunctionConfigurations: [
    {
      Id: 'f',
      LambdaFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:f',
      Events: ['s3:ObjectRestore:Completed'],
    },
  ],
};
const MERGED = { ...THEIRS, EventBridgeConfiguration: {} };
const ON = `${BUCKET} tells EventBridge of its objects now; what it tells others is as it was\n`;
const rule = (inner: string, status = 'Enabled', days = 60): string =>
  `<LifecycleConfiguration><Rule><ID>r</ID>${inner}<Status>${status}</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>${days}</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`;
const lifecycle = rule('<Filter><Prefix></Prefix></Filter>');
const SIXTY = `abandoned uploads: ${BUCKET} removes their parts after 60 days\n`;

describe('courier cloud bucket', () => {
  let site: OperatorSite;
  beforeAll(async () => {
    site = await OperatorSite.start();
  });
  afterAll(() => site.end());
  beforeEach(() => {
    site.cloud.createBucket(BUCKET, { lifecycle });
    site.cloud.clearRequests();
  });
  afterEach(() => site.cloud.faults.clear());

  const withS3 = async <T>(use: (s3: ReturnType<typeof adminS3>) => Promise<T>): Promise<T> => {
    const s3 = adminS3(site.cloud);
    try {
      return await use(s3);
    } finally {
      s3.destroy();
    }
  };
  const put = (configuration: NotificationConfiguration) =>
    withS3((s3) =>
      s3.send(
        new PutBucketNotificationConfigurationCommand({ Bucket: BUCKET, NotificationConfiguration: configuration }),
      ),
    );
  const get = () =>
    withS3(async (s3) => {
      const { $metadata: _, ...found } = await s3.send(
        new GetBucketNotificationConfigurationCommand({ Bucket: BUCKET }),
      );
      return found;
    });
  const writes = (): number => site.cloud.counters.PutBucketNotificationConfiguration ?? 0;
  const deny = (...actions: string[]): PolicyDocument => ({
    Statement: [{ Effect: 'Deny', Action: actions, Resource: '*' }],
  });

  it('adds EventBridge to what is there, and changes nothing of it', async () => {
    await put(THEIRS);
    expect(await site.run(['bucket'])).toEqual({ status: 0, stdout: ON + SIXTY, stderr: '' });
    expect(await get()).toEqual(MERGED);
    const before = writes();
    expect(await site.run(['bucket', BUCKET])).toEqual({
      status: 0,
      stdout: `${BUCKET} tells EventBridge of its objects already; nothing was changed\n${SIXTY}`,
      stderr: '',
    });
    expect(writes()).toBe(before);
  });

  it('switches it on where there is nothing', async () => {
    expect((await site.run(['bucket', BUCKET, '--stack', 'none-yet'])).stdout).toBe(ON + SIXTY);
    expect(await get()).toEqual({ EventBridgeConfiguration: {} });
  });

  it('prints the command instead, which says the same to a shell', async () => {
    await put(THEIRS);
    const { status, stdout } = await site.run(['bucket', '--print', '--region', 'eu-central-1']);
    expect(status).toBe(0);
    expect(await get()).toEqual(THEIRS);
    const aws = join(site.dir, 'aws');
    const { stdout: words } = await promisify(execFile)('sh', ['-c', `aws() { printf '%s\\0' "$@"; }\n${stdout}`, aws]);
    const [configuration, ...rest] = words.split('\0').slice(0, -1).reverse();
    expect(JSON.parse(configuration!)).toEqual(MERGED);
    expect(rest.reverse()).toEqual([
      's3api',
      'put-bucket-notification-configuration',
      '--bucket',
      BUCKET,
      '--skip-destination-validation',
      '--expected-bucket-owner',
      '123456789012',
      '--region',
      'eu-central-1',
      '--endpoint-url',
      site.endpointUrl,
      '--notification-configuration',
    ]);
  });

  it('prints the command where it may not write', async () => {
    site.cloud.createBucket(BUCKET, { lifecycle, policy: deny('s3:PutBucketNotification') });
    expect(await site.run(['bucket'])).toEqual({
      status: 1,
      stdout: `aws s3api put-bucket-notification-configuration --bucket ${BUCKET} --skip-destination-validation --expected-bucket-owner 123456789012 --endpoint-url '${site.endpointUrl}' --notification-configuration '{"EventBridgeConfiguration":{}}'\n`,
      stderr: `courier: S3 does not allow s3:PutBucketNotification on ${BUCKET}; have it allowed (README, "Files to things"), or take another --profile, or have the command above done by somebody who may\n`,
    });
  });

  it.each([
    { what: 'before it writes', skip: 1, message: 'was changed by somebody else just now' },
    { what: 'after it', skip: 2, message: 'is not what was written: somebody else has written it too' },
  ])('says so when somebody else writes $what, whose word stands', async ({ skip, message }) => {
    // A later look is held up while they write.
    const held = site.cloud.faults.add({ kind: 'stall', operation: 'GetBucketNotificationConfiguration', skip });
    const running = site.run(['bucket']);
    await held.waitForHits(1);
    await put(THEIRS);
    held.release();
    const { status, stderr } = await running;
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `courier: the notification configuration of ${BUCKET} ${message}; do it again, and see that nothing of theirs is missing: aws s3api get-bucket-notification-configuration --bucket ${BUCKET}\n`,
    });
    expect(await get()).toEqual(THEIRS);
  });

  it.each([
    {
      what: 'there is none',
      bucket: {},
      sentence: `abandoned uploads: ${BUCKET} keeps their parts for ever, and they cost; give it a lifecycle rule AbortIncompleteMultipartUpload for all its objects, of more days than a device may be offline (the template has 60)`,
    },
    {
      what: 'it is of some objects',
      bucket: { lifecycle: rule('<Filter><Prefix>logs/</Prefix></Filter>') },
      sentence: /keeps their parts for ever/,
    },
    {
      what: 'it is switched off',
      bucket: { lifecycle: rule('<Prefix></Prefix>', 'Disabled') },
      sentence: /keeps their parts for ever/,
    },
    {
      what: 'it is short',
      bucket: { lifecycle: rule('<Prefix></Prefix>', 'Enabled', 3) },
      sentence: `abandoned uploads: ${BUCKET} removes their parts after 3 days, which is little: a device that is offline for longer begins its large files anew`,
    },
    {
      what: 'it may not be seen',
      bucket: { policy: deny('s3:GetLifecycleConfiguration') },
      sentence: `abandoned uploads: whether ${BUCKET} removes their parts is not known; it takes s3:GetLifecycleConfiguration to see`,
    },
  ])('tells of the rule for abandoned uploads: $what', async ({ bucket, sentence }) => {
    site.cloud.createBucket(BUCKET, bucket);
    const said = await withS3((s3) => describeAbandonedUploads(new Bucket(s3, BUCKET, undefined)));
    if (typeof sentence === 'string') expect(said).toBe(sentence);
    else expect(said).toMatch(sentence);
  });

  it.each([
    {
      what: 'a bucket of another owner',
      bucket: { ownerId: '999999999999' },
      message: `the bucket ${BUCKET} belongs to another account than 123456789012; nothing was done with it: see --stack and --profile, or who has made that bucket`,
    },
    {
      what: 'the right to read that is missing',
      bucket: { policy: deny('s3:GetBucketNotification') },
      message: `S3 does not allow s3:GetBucketNotification on ${BUCKET}; have it allowed (README, "Files to things"), or take another --profile`,
    },
    {
      what: 'a bucket that is not there',
      args: ['no-such-bucket'],
      message: 'there is no bucket no-such-bucket; see aws s3 ls, --stack and --profile',
    },
    {
      what: 'no stack to name one',
      args: ['--stack', 'none'],
      message:
        'there is no stack "none" in eu-central-1; deploy it (courier cloud --help), or name it by --stack, --region and --profile',
    },
  ])('tells $what', async ({ args = [], bucket = {}, message }) => {
    site.cloud.createBucket(BUCKET, bucket);
    expect(await site.run(['bucket', ...args])).toEqual({ status: 1, stdout: '', stderr: `courier: ${message}\n` });
    expect(writes()).toBe(0);
  });
});
