import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IoTClient } from '@aws-sdk/client-iot';
import { createJob } from '../../src/cloud/jobs/create-job';
import type { JobPlan } from '../../src/cloud/jobs/job-plan';
import { BUCKET, OperatorSite } from './operator-site';

const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');

describe('courier cloud job, where it cannot', () => {
  let site: OperatorSite;
  beforeAll(async () => {
    site = await OperatorSite.start();
    await site.cloud.createThing('pump-1');
    await site.cloud.createThing('pump-2');
    site.cloud.createThingGroup('none', []);
    write('f.txt', 'f');
  });
  afterAll(() => site.end());
  afterEach(() => {
    site.cloud.control.denied.clear();
    site.cloud.createBucket(BUCKET, { notifiesInbox: true });
  });

  const write = (name: string, content: string): void => writeFileSync(join(site.dir, name), content);
  const isThere = (id: string): boolean => {
    try {
      return site.cloud.jobs.control.describeJob(id) !== undefined;
    } catch {
      return false;
    }
  };
  const refused = async (args: readonly string[], status: number, stderr: string) =>
    expect(await site.run(['job', ...args])).toEqual({ status, stdout: expect.any(String), stderr: `${stderr}\n` });
  const usual = ['--thing', 'pump-1', '--file', 'f.txt'];

  it.each([
    {
      what: 'things and groups that are not there, all of them, before it sends anything',
      args: ['--thing', 'nobody', '--group', 'nowhere', '--file', 'f.txt', '--id', 'refused'],
      message:
        'there is no thing nobody in eu-central-1; see courier cloud thing ls, or aws iot list-things\ncourier: there is no thing group nowhere in eu-central-1; see aws iot list-thing-groups, or make it: aws iot create-thing-group',
    },
    {
      what: 'a job that is not there',
      args: ['--id', 'nothing', '--wait'],
      message: 'there is no job nothing; see aws iot list-jobs',
    },
    {
      what: 'a group without things',
      args: ['--group', 'none', '--file', 'f.txt', '--id', 'idle', '--wait'],
      message: 'the job idle has no things; put some into its group, and make another (--id)',
    },
    {
      what: 'a stack without jobs',
      args: [...usual, '--stack', 'without-jobs'],
      message:
        'jobs are switched off in the stack without-jobs; deploy it with --parameter-overrides Jobs=true, or send the files: courier cloud send',
    },
    {
      what: 'a role that is gone',
      args: [...usual, '--stack', 'without-role', '--id', 'no-role'],
      message:
        'AWS IoT does not take the job (the role arn:aws:iam::123456789012:role/gone cannot be assumed by AWS IoT); see whether arn:aws:iam::123456789012:role/gone is there and trusts iot.amazonaws.com: deploy the stack again if not',
    },
  ])('$what', async ({ args, message }) => {
    const { stacks } = site.cloud.control;
    const { JobsRoleArn: _, ...outputs } = stacks[0]!.outputs;
    stacks.push({ name: 'without-jobs', outputs });
    stacks.push({
      name: 'without-role',
      outputs: { ...outputs, JobsRoleArn: 'arn:aws:iam::123456789012:role/gone' },
    });
    await refused(args, 1, `courier: ${message}`);
    expect(site.cloud.findObject(BUCKET, '.jobs/refused/f.txt')).toBeUndefined();
  });

  it('a job of that id with another document, or of other things', async () => {
    const args = ['--file', 'f.txt', '--id', 'taken'];
    await site.run(['job', '--thing', 'pump-1', ...args]);
    const sentence = (what: string): string =>
      `courier: there is a job taken already, with ${what}; give this one another --id, or see aws iot get-job-document --job-id taken`;
    await refused(['--thing', 'pump-2', ...args], 1, sentence('other targets'));
    await refused(['--thing', 'pump-1', ...args, '--path', 'g.txt'], 1, sentence('another document'));
    write('f.txt', 'another');
    await refused(['--thing', 'pump-1', ...args], 1, sentence('another document'));
    write('f.txt', 'f');
    expect(await site.cloud.sha256(BUCKET, '.jobs/taken/f.txt')).toBe(sha256('f'));
  });

  it('a job whose answer was lost, as its own; and another as another', async () => {
    const { accessKeyId, secretAccessKey } = site.cloud.admin;
    const iot = new IoTClient({
      endpoint: site.endpointUrl,
      region: site.cloud.region,
      credentials: { accessKeyId, secretAccessKey },
    });
    const plan: JobPlan = {
      id: 'twice',
      targets: ['arn:aws:iot:eu-central-1:123456789012:thing/pump-1'],
      document: '{"url":"https://example.com"}',
      presignedUrlConfig: { roleArn: 'arn:aws:iam::123456789012:role/jobsrole', expiresInSec: 60 },
      objects: [],
    };
    try {
      expect(await createJob(iot, plan)).toBe(true);
      expect(await createJob(iot, plan)).toBe(false);
      await expect(createJob(iot, { ...plan, document: '{}' })).rejects.toThrow(
        'there is a job twice already, with another document',
      );
    } finally {
      iot.destroy();
    }
  });

  it.each([
    { action: 'iot:CreateJob', resource: 'arn:aws:iot:eu-central-1:123456789012:denied' },
    { action: 'iam:PassRole', resource: 'arn:aws:iam::123456789012:role/jobsrole' },
  ])('who may not $action', async ({ action, resource }) => {
    site.cloud.control.denied.add(action);
    await refused(
      [...usual, '--id', 'denied'],
      1,
      `courier: arn:aws:iam::123456789012:user/operator may not ${action} on ${resource}; allow that, or take another --profile, and do it again: it goes on where it was`,
    );
    expect(isThere('denied')).toBe(false);
  });

  it('a bucket of another owner', async () => {
    site.cloud.createBucket(BUCKET, { ownerId: '999999999999' });
    await refused(
      [...usual, '--id', 'foreign'],
      1,
      `courier: the bucket ${BUCKET} belongs to another account than 123456789012; nothing was done with it: see --stack and --profile, or who has made that bucket`,
    );
  });
});
