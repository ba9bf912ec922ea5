import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorSite } from './operator-site';

describe('courier cloud thing, where it cannot', () => {
  let site: OperatorSite;
  beforeAll(async () => {
    site = await OperatorSite.start();
  });
  afterAll(() => site.end());

  const GOES_ON = 'it goes on where it was';

  it.each([
    'cloudformation:DescribeStacks',
    'iot:DescribeThing',
    'iot:CreateThing',
    'iot:ListThingPrincipals',
    'iot:CreateCertificateFromCsr',
    'iot:AttachThingPrincipal',
    'iot:AttachPolicy',
    'iot:DescribeEndpoint',
  ])('says who may not %s, and goes on when that is mended', async (action) => {
    const thing = `no-${action.replace(':', '-')}`;
    site.cloud.control.denied.add(action);
    const { status, stderr } = await site.run(['thing', 'add', thing]);
    site.cloud.control.denied.clear();
    expect(status).toBe(1);
    expect(stderr).toMatch(
      new RegExp(
        `^courier: arn:aws:iam::\\d+:user/operator may not ${action} on arn:\\S+; allow that, .*${GOES_ON}\n$`,
      ),
    );
    const before = site.cloud.registry.certificates().length;
    expect((await site.run(['thing', 'add', thing])).status).toBe(0);
    expect(site.cloud.registry.principals(thing)).toHaveLength(1);
    expect(site.cloud.registry.certificates().length - before).toBeLessThanOrEqual(1);
  });

  const shell = (change: Record<string, string | undefined>): Record<string, string> =>
    Object.fromEntries(
      Object.entries({ ...site.environment, AWS_EC2_METADATA_DISABLED: 'true', ...change }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      ),
    );

  it.each<{
    what: string;
    args?: string[];
    change?: Record<string, string | undefined>;
    status?: number;
    message: string | RegExp;
  }>([
    {
      what: 'a name that none can have',
      args: ['thing', 'add', 'device 00'],
      status: 2,
      message:
        '"device 00" cannot be the name of a thing: 1 to 128 of the characters a-z A-Z 0-9 : _ -, nothing else; name it so',
    },
    {
      what: 'a name that leads elsewhere',
      args: ['thing', 'rm', '../device00'],
      status: 2,
      message: /"\.\.\/device00" cannot be the name of a thing/,
    },
    {
      what: 'no name',
      args: ['thing', 'add'],
      status: 2,
      message: "courier cloud thing add takes one thing's name; see courier cloud --help",
    },
    { what: 'two names', args: ['thing', 'add', 'a', 'b'], status: 2, message: /takes one thing's name/ },
    {
      what: 'no such command',
      args: ['thing', 'fly', 'a'],
      status: 2,
      message: /takes add, rotate, revoke, rm, ls, not "fly"; see courier cloud --help/,
    },
    {
      what: 'no such option',
      args: ['thing', 'add', 'a', '--cores'],
      status: 2,
      message: /thing add: Unknown option '--cores'.*; see courier cloud --help/,
    },
    {
      what: 'an option of another subcommand, by which more would be removed than is said',
      args: ['thing', 'rm', 'a', '--former'],
      status: 2,
      message: 'courier cloud thing rm takes no --former; see courier cloud --help',
    },
    {
      what: 'a name where all are listed',
      args: ['thing', 'ls', 'a'],
      status: 2,
      message: 'courier cloud thing ls lists all, and takes no "a"; see courier cloud --help',
    },
    {
      what: 'a thing that is not there',
      args: ['thing', 'rotate', 'nobody'],
      message:
        'there is no thing nobody in eu-central-1; courier cloud thing ls shows those of the stack, thing add makes one',
    },
    { what: 'the same, to be revoked', args: ['thing', 'revoke', 'nobody'], message: /there is no thing nobody/ },
    {
      what: 'no such stack',
      args: ['thing', 'add', 'a', '--stack', 'other'],
      message:
        'there is no stack "other" in eu-central-1; deploy it (courier cloud --help), or name it by --stack, --region and --profile',
    },
    {
      what: 'no region',
      change: { AWS_REGION: undefined },
      message: 'no region is set; name one by --region, AWS_REGION or the profile',
    },
    {
      what: 'a region that cannot be one',
      args: ['thing', 'add', 'a', '--region', 'eu central'],
      message: '"eu central" cannot be a region; name one by --region, AWS_REGION or the profile',
    },
    {
      what: 'a region as the AWS CLI has it too',
      args: ['thing', 'revoke', 'nobody'],
      change: { AWS_REGION: undefined, AWS_DEFAULT_REGION: 'eu-central-1' },
      message: /there is no thing nobody in eu-central-1/,
    },
    {
      what: 'a profile beside keys in the environment: one sentence, and nothing of the SDK',
      args: ['thing', 'add', 'a', '--profile', 'nobodys'],
      message: /^there are no credentials \([^\n]*\); aws configure sets them up, --profile names others$/,
    },
    {
      what: 'no credentials',
      change: { AWS_ACCESS_KEY_ID: undefined },
      message: /^there are no credentials \(.*\); aws configure sets them up, --profile names others$/,
    },
    {
      what: 'no such profile',
      args: ['thing', 'add', 'a', '--profile', 'nobodys'],
      change: { AWS_ACCESS_KEY_ID: undefined },
      message: /there are no credentials/,
    },
  ])('$what', async ({ args = ['thing', 'add', 'a'], change = {}, status: expected = 1, message }) => {
    const { status, stderr } = await site.run(args, { environment: shell(change) });
    expect(status).toBe(expected);
    const said = stderr.replace(/^courier: /, '').trimEnd();
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
  });

  it('a stack that is not of the template, or not made yet', async () => {
    const { stacks } = site.cloud.control;
    const [usual] = stacks;
    stacks.push({ name: 'web', outputs: { Url: 'https://example.com' } });
    stacks.push({ ...usual!, name: 'young', status: 'CREATE_IN_PROGRESS' });
    expect((await site.run(['thing', 'add', 'a', '--stack', 'web'])).stderr).toContain(
      'the stack web has no output BucketName: it was not made of this template; name another by --stack',
    );
    expect((await site.run(['thing', 'add', 'a', '--stack', 'young'])).stderr).toContain(
      'the stack young is CREATE_IN_PROGRESS; wait, or see what failed: aws cloudformation describe-stack-events',
    );
  });

  it('an endpoint that nobody answers at', async () => {
    const { status, stderr } = await site.run(['thing', 'add', 'a'], { endpointUrl: 'http://127.0.0.1:1' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/AWS does not answer \(ECONNREFUSED: .*see the network, --region and --endpoint-url/);
    expect((await site.run(['thing', 'add', 'a'], { endpointUrl: 'nowhere' })).stderr).toMatch(
      /--endpoint-url is no URL/,
    );
  });

  it('another that is at the same thing; not one that was killed', async () => {
    const lock = join(site.dir, 'd.lock');
    writeFileSync(lock, String(process.pid));
    const { status, stderr } = await site.run(['thing', 'add', 'd']);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `courier: another courier cloud (process ${process.pid}) is at it; wait for it, or remove ./d.lock\n`,
    );
    const { pid } = spawnSync(process.execPath, ['--version']);
    writeFileSync(lock, String(pid));
    expect((await site.run(['thing', 'add', 'd'])).status).toBe(0);
    expect(readdirSync(site.dir).filter((name) => name.startsWith('d.lock'))).toEqual([]);
  });

  it('an archive that cannot be written', async () => {
    mkdirSync(join(site.dir, 'full/full.tar'), { recursive: true });
    const { status, stderr } = await site.run(['thing', 'add', 'full']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr:
        'courier: cannot write full/full.tar (EISDIR); see the folder above it, its rights and its room, and do it again\n',
    });
  });

  it.each([
    { kind: 'rsa', pair: () => generateKeyPairSync('rsa', { modulusLength: 2_048 }) },
    { kind: 'secp384r1', pair: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }) },
  ])('a key of another kind: $kind', async ({ kind, pair }) => {
    mkdirSync(join(site.dir, kind));
    writeFileSync(join(site.dir, kind, 'private.key'), pair().privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const { status, stderr } = await site.run(['thing', 'add', kind]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `courier: the private key that is there (${kind}) is of another kind than the one a certificate is asked for by (EC P-256); move its folder away, and do it again\n`,
    });
  });

  it('a place that is a file: nobody is asked for a certificate', async () => {
    const before = site.cloud.registry.certificates().length;
    const { status, stderr } = await site.run(['thing', 'add', 'c', '--dir', 'cloud/account.json']);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /cannot write cloud\/account\.json\/c\.lock \(ENOTDIR\); see the folder above it, its rights and its room/,
    );
    expect(site.cloud.registry.certificates()).toHaveLength(before);
    expect(existsSync(join(site.dir, 'c'))).toBe(false);
  });
});
