import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUCKET, OperatorSite } from './operator-site';

const ACCOUNT = '123456789012';
const THINGS = ['away', 'unseen', 'ended'];

describe('courier cloud send, where it cannot', () => {
  let site: OperatorSite;
  beforeAll(async () => {
    site = await OperatorSite.start();
    write('f', 'f');
    for (const thing of THINGS) site.cloud.registry.createThing(thing);
  });
  afterAll(() => site.end());
  afterEach(() => {
    site.cloud.faults.clear();
    site.cloud.control.denied.clear();
    site.cloud.createBucket(BUCKET, { notifiesInbox: true });
  });

  const write = (name: string, content: string): void => writeFileSync(join(site.dir, name), content);
  const refused = async (args: readonly string[], status: number, ...sentences: string[]) => {
    const outcome = await site.run(['send', ...args]);
    expect(outcome).toEqual({
      status,
      stdout: '',
      stderr: sentences.map((sentence) => `courier: ${sentence}\n`).join(''),
    });
  };

  it('missing rights, by action and resource', async () => {
    site.cloud.createBucket(BUCKET, {
      policy: { Statement: [{ Effect: 'Deny', Action: 's3:PutObject', Resource: '*' }] },
    });
    await refused(
      ['away', 'f'],
      1,
      `S3 does not allow s3:PutObject on ${BUCKET}/away/inbox/f; have it allowed (README, "Files to things"), or take another --profile`,
    );
  });

  it('missing rights to see what becomes of it', async () => {
    site.cloud.createBucket(BUCKET, {
      policy: { Statement: [{ Effect: 'Deny', Action: 's3:GetObject', Resource: '*' }] },
    });
    const { status, stderr } = await site.run(['send', 'unseen', 'f', '--wait']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `courier: S3 does not allow s3:GetObject and s3:ListBucket on ${BUCKET}/unseen/inbox/f; have it allowed (README, "Files to things"), or take another --profile\n`,
    });
  });

  it('a thing that is not there, unless nobody may ask', async () => {
    const sentence = 'there is no thing devcie00 in eu-central-1; see courier cloud thing ls, or aws iot list-things';
    await refused(['devcie00', 'f'], 1, sentence);
    expect(site.cloud.findObject(BUCKET, 'devcie00/inbox/f')).toBeUndefined();
    site.cloud.control.denied.add('iot:DescribeThing');
    expect(await site.run(['send', 'devcie00', 'f'])).toMatchObject({ status: 0, stderr: '' });
    expect(site.cloud.findObject(BUCKET, 'devcie00/inbox/f')).toBeDefined();
  });

  it('a bucket of another owner', async () => {
    site.cloud.createBucket(BUCKET, { ownerId: '999999999999' });
    await refused(
      ['away', 'f'],
      1,
      `the bucket ${BUCKET} belongs to another account than ${ACCOUNT}; nothing was done with it: see --stack and --profile, or who has made that bucket`,
    );
    expect(site.cloud.findObject(BUCKET, 'away/inbox/f')).toBeUndefined();
  });

  it('a bucket of another region', async () => {
    site.cloud.createBucket(BUCKET, { region: 'us-west-2' });
    await refused(
      ['away', 'f'],
      1,
      `the bucket ${BUCKET} is not in eu-central-1; name its region by --region, and in s3.region of its devices`,
    );
  });

  it('credentials that end while it waits', async () => {
    write('e', 'e');
    const forEver = { skip: 1, count: Number.POSITIVE_INFINITY };
    site.cloud.faults.add({ kind: 'error', operation: 'HeadObject', code: 'ExpiredToken', ...forEver });
    site.cloud.faults.add({ kind: 'error', operation: 'GetObject', code: 'ExpiredToken', ...forEver, skip: 0 });
    expect(await site.run(['send', 'ended', 'e', '--wait'])).toEqual({
      status: 1,
      stdout: 'e: sent, 1 B to ended/inbox/e\n',
      stderr:
        'courier: the credentials have ended (ExpiredToken); sign in again (aws sso login), or take another --profile\n',
    });
  });

  it.each([
    {
      what: 'no region',
      without: 'AWS_REGION',
      message: /^courier: no region is set; name one by --region, AWS_REGION or the profile\n$/,
    },
    {
      what: 'no credentials',
      without: 'AWS_ACCESS_KEY_ID',
      message: /^courier: there are no credentials \(.*\); aws configure sets them up, --profile names others\n$/,
    },
  ])('$what', async ({ without, message }) => {
    const environment: Record<string, string> = { ...site.environment, AWS_EC2_METADATA_DISABLED: 'true' };
    delete environment[without];
    expect(await site.run(['send', 'away', 'f'], { environment })).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(message),
    });
  });

  it('a stack that is not there', async () => {
    await refused(
      ['away', 'f', '--stack', 'other'],
      1,
      'there is no stack "other" in eu-central-1; deploy it (courier cloud --help), or name it by --stack, --region and --profile',
    );
  });
});
