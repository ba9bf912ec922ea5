import { execFile } from 'node:child_process';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { list } from 'tar';
import { parse } from 'yaml';
import { systemClock } from '../../src/clock';
import { Component } from '../../src/component';
import { loadConfig } from '../../src/config/load-config';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';
import { BUCKET, OperatorSite } from './operator-site';

describe('courier cloud thing', () => {
  let site: OperatorSite;
  beforeEach(async () => {
    site = await OperatorSite.start();
  });
  afterEach(() => site.end());

  const registry = () => site.cloud.registry;
  const certificates = (thing = 'device00') =>
    registry()
      .principals(thing)
      .map((arn) => {
        const id = arn.slice(arn.lastIndexOf('/') + 1);
        return { id, status: registry().certificate(id).status, policies: registry().policiesOf(arn) };
      });
  const idOf = (folder: string): string =>
    new X509Certificate(site.read(`${folder}/certificate.pem`)).fingerprint256.replaceAll(':', '').toLowerCase();
  const add = () => site.run(['thing', 'add', 'device00']);

  it('makes a thing with one certificate, and the folder that goes onto the device', async () => {
    const { status, stdout, stderr } = await add();
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(certificates()).toEqual([{ id: idOf('device00'), status: 'ACTIVE', policies: ['courier-thing'] }]);
    expect(stdout).toMatch(/Next, .*device00\/device00\.tar/s);
    const files = ['certificate.pem', 'courier.yaml', 'private.key', 'root-ca.pem'];
    expect(site.list('device00')).toEqual([...files, 'device00.tar'].sort());
    for (const secret of ['private.key', 'device00.tar'])
      expect(statSync(join(site.dir, 'device00', secret)).mode & 0o777).toBe(0o600);
    const packed: string[] = [];
    await list({ file: join(site.dir, 'device00/device00.tar'), onReadEntry: ({ path }) => packed.push(path) });
    expect(packed.sort()).toEqual(files);
    const spki = { type: 'spki', format: 'der' } as const;
    const key = createPublicKey(createPrivateKey(site.read('device00/private.key'))).export(spki);
    expect(new X509Certificate(site.read('device00/certificate.pem')).publicKey.export(spki).equals(key)).toBe(true);
    expect(parse(site.read('device00/courier.yaml'))).toMatchObject({
      thing: { name: 'device00', certificateFile: 'certificate.pem', privateKeyFile: 'private.key' },
      s3: { bucket: BUCKET, region: 'eu-central-1' },
      credentials: { roleAlias: { endpoint: site.cloud.credentialsEndpoint, alias: 'courier' } },
      mqtt: { endpoint: site.cloud.mqttEndpoint, caFile: 'root-ca.pem' },
    });
    const roots = site
      .read('device00/root-ca.pem')
      .match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g);
    expect(roots?.map((pem) => new X509Certificate(pem).subject)).toContain('C=US\nO=Amazon\nCN=Amazon Root CA 1');
  });

  it('writes what a device runs by, as it is', async () => {
    await add();
    const { cloud, dir } = site;
    const outbox = join(dir, 'outbox');
    mkdirSync(outbox);
    // Nothing but where the account is on this machine, and what is below / on a device.
    writeFileSync(
      join(dir, 'here.yaml'),
      JSON.stringify({
        s3: { endpoint: cloud.s3Endpoint, pathStyle: true, caFile: cloud.caFile },
        credentials: { roleAlias: { caFile: cloud.caFile } },
        mqtt: { caFile: cloud.caFile },
        outboxes: [{ path: outbox, settleSeconds: 0, rescanSeconds: 0.1 }],
        inbox: { dir: join(dir, 'inbox') },
        jobs: { dir: join(dir, 'jobs') },
        state: { dir: join(dir, 'state') },
      }),
    );
    const config = loadConfig([join(dir, 'device00/courier.yaml'), join(dir, 'here.yaml')], {});
    const edge = { tokenExchange: undefined, clock: systemClock, dice: Math.random, log: silentLog };
    const broken: unknown[] = [];
    const component = await new Component(config, edge).start((error) => broken.push(error));
    try {
      writeFileSync(join(outbox, 'a.txt'), 'hello');
      await until('it is in S3', () => cloud.findObject(BUCKET, 'device00/outbox/a.txt') !== undefined);
      await until(
        'mqtt is up',
        () => component.status().mqtt?.state === 'connected',
        () => component.status(),
      );
    } finally {
      await component.stop();
    }
    expect(broken).toEqual([]);
  });

  it('packs nothing that a run which was cut off has left', async () => {
    mkdirSync(join(site.dir, 'device00'));
    writeFileSync(join(site.dir, 'device00/private.key.new'), 'half a k');
    await add();
    const packed: string[] = [];
    await list({ file: join(site.dir, 'device00/device00.tar'), onReadEntry: ({ path }) => packed.push(path) });
    expect(packed.sort()).toEqual(['certificate.pem', 'courier.yaml', 'private.key', 'root-ca.pem']);
  });

  it('changes nothing when it is said again, also not what a person has changed', async () => {
    await add();
    const before = { ids: certificates(), key: site.read('device00/private.key') };
    writeFileSync(join(site.dir, 'device00/courier.yaml'), 'mine: true\n');
    expect((await add()).status).toBe(0);
    expect({ ids: certificates(), key: site.read('device00/private.key') }).toEqual(before);
    expect(site.read('device00/courier.yaml')).toBe('mine: true\n');
  });

  it('takes up a thing that is there, with its attributes', async () => {
    registry().createThing('device00', { site: 'north' });
    expect((await add()).status).toBe(0);
    expect(registry().thing('device00').attributes).toEqual({ site: 'north', courier: 'courier' });
  });

  it.each<{ what: string; spoil: () => void; message: RegExp }>([
    {
      what: 'the folder is elsewhere',
      spoil: () => renameSync(join(site.dir, 'device00'), join(site.dir, 'away')),
      message: /has a certificate already, [0-9a-f]{12}… \(ACTIVE\), and its key is not here .* thing rotate device00/,
    },
    {
      what: 'the folder holds another key',
      spoil: () => writeFileSync(join(site.dir, 'device00/private.key'), site.read('other/private.key')),
      message: /has a certificate already, .* it is not of the key in \.\/device00/,
    },
    {
      what: 'the key is damaged',
      spoil: () => writeFileSync(join(site.dir, 'device00/private.key'), 'no key'),
      message: /private\.key cannot be read as a private key .*move \.\/device00 away/,
    },
  ])('never makes a second certificate unasked: $what', async ({ spoil, message }) => {
    await add();
    await site.run(['thing', 'add', 'other']);
    spoil();
    const before = registry().certificates();
    const { status, stderr } = await add();
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
    expect(registry().certificates()).toEqual(before);
  });

  it('sends nobody off with a certificate that is good no more', async () => {
    await add();
    const id = idOf('device00');
    registry().setStatus(id, 'INACTIVE');
    const sentence = `the certificate of device00, ${id.slice(0, 12)}…, is`;
    const end = 'and no device can connect with it;';
    const another = 'have another one made: courier cloud thing rotate device00\n';
    expect(await add()).toMatchObject({
      status: 1,
      stderr: `courier: ${sentence} INACTIVE, ${end} make it good again: aws iot update-certificate --certificate-id ${id} --new-status ACTIVE, or ${another}`,
    });
    await site.run(['thing', 'revoke', 'device00']);
    expect(await add()).toMatchObject({ status: 1, stderr: `courier: ${sentence} REVOKED, ${end} ${another}` });
    expect((await site.run(['thing', 'rotate', 'device00'])).status).toBe(0);
    expect((await add()).status).toBe(0);
  });

  it("takes no folder that is another thing's", async () => {
    await site.run(['thing', 'add', 'other']);
    cpSync(join(site.dir, 'other'), join(site.dir, 'device00'), { recursive: true });
    const { status, stderr } = await add();
    expect(status).toBe(1);
    expect(stderr).toMatch(/is that of other; each thing has its own/);
    expect(certificates()).toEqual([]);
  });

  it('rotates: a second certificate, the first good until it is revoked, the folder replaced whole', async () => {
    await add();
    const first = idOf('device00');
    writeFileSync(join(site.dir, 'device00/courier.yaml'), 'mine: true\n');
    const { status, stdout } = await site.run(['thing', 'rotate', 'device00']);
    expect(status).toBe(0);
    expect(stdout).toContain('courier cloud thing revoke device00 --former');
    const second = idOf('device00');
    const both = [first, second].map((id) => ({ id, status: 'ACTIVE', policies: ['courier-thing'] }));
    expect(certificates()).toEqual(both);
    expect(idOf('device00.former')).toBe(first);
    expect(site.read('device00/courier.yaml')).toBe('mine: true\n');
    expect(existsSync(join(site.dir, 'device00.next'))).toBe(false);

    const again = await site.run(['thing', 'rotate', 'device00']);
    expect(again.status).toBe(0);
    expect(again.stdout).toContain('a rotation is under way');
    expect(certificates()).toEqual(both);

    expect((await site.run(['thing', 'revoke', 'device00', '--former'])).status).toBe(0);
    expect(certificates().map(({ id, status }) => [id, status])).toEqual([
      [first, 'REVOKED'],
      [second, 'ACTIVE'],
    ]);
  });

  it.each([
    { core: [], needed: 'courier-thing', next: 'thing-courier installed on the device' },
    { core: ['--core'], needed: 'courier-core-old', next: '--init-config nucleus.yaml' },
  ])('rotates what was made elsewhere: with its policies, and $needed', async ({ core, needed, next }) => {
    await site.run(['thing', 'add', 'other']);
    registry().createThing('old');
    registry().putPolicy('theirs', '{"Version":"2012-10-17","Statement":[]}');
    const [arn] = registry().principals('other') as [string];
    registry().detachThing('other', arn);
    registry().detachPolicy('courier-thing', arn);
    registry().attachThing('old', arn);
    registry().attachPolicy('theirs', arn);
    const refused = await site.run(['thing', 'add', 'old', ...core]);
    expect(refused.stderr.trimEnd()).toMatch(new RegExp(`${['thing rotate old', ...core].join(' ')}$`));
    const { status, stdout } = await site.run(['thing', 'rotate', 'old', ...core]);
    expect({ status, isNext: stdout.includes(next) }).toEqual({ status: 0, isNext: true });
    expect(certificates('old').map(({ policies }) => policies)).toEqual([['theirs'], ['theirs', needed]]);
  });

  it.each([
    { name: 'd', words: (options: string) => `d --former${options}` },
    { name: '-d', words: (options: string) => `--former${options} -- -d` },
  ])('names the same folder, stack and account in what is to be done next: $name', async ({ name, words }) => {
    const { control } = site.cloud;
    mkdirSync(join(site.dir, 'a b'));
    control.stacks.push({ ...control.stacks[0]!, name: 'plant' });
    const where = ['--dir', 'a b', '--stack', 'plant', '--region', 'eu-central-1'];
    const account = ` --region eu-central-1 --endpoint-url ${site.endpointUrl}`;
    const added = await site.run(['thing', 'add', ...where, '--core', '--', name]);
    expect(added.stdout).toContain(
      `aws greengrassv2 create-deployment --cli-input-json 'file://a b/${name}/deployment.json'${account}\n`,
    );
    const { stdout } = await site.run(['thing', 'rotate', ...where, '--', name]);
    const next = words(` --stack plant --dir 'a b'${account}`);
    expect(stdout).toContain(`courier cloud thing revoke ${next}\n`);
    const cloud = resolve(__dirname, '../../dist/cloud.js');
    await promisify(execFile)('sh', ['-c', `node "$0" thing revoke ${next}`, cloud], {
      cwd: site.dir,
      env: site.environment,
    });
    expect(certificates(name).map(({ status }) => status)).toEqual(['REVOKED', 'ACTIVE']);
  });

  it('ends nothing where nothing else is good', async () => {
    await add();
    const alone = await site.run(['thing', 'revoke', 'device00', '--former']);
    expect(alone.stdout).toContain('device00 has no other certificate that could be revoked\n');
    await site.run(['thing', 'revoke', 'device00']);
    const { status, stdout } = await site.run(['thing', 'rotate', 'device00']);
    expect(status).toBe(0);
    expect(stdout).not.toContain('end the former');
  });

  it('revokes all certificates, but none with --former when the folder is elsewhere', async () => {
    await add();
    rmSync(join(site.dir, 'device00'), { recursive: true });
    const refused = await site.run(['thing', 'revoke', 'device00', '--former']);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/without --former all are revoked; nothing was done/);
    expect(certificates().map(({ status }) => status)).toEqual(['ACTIVE']);
    expect((await site.run(['thing', 'revoke', 'device00'])).status).toBe(0);
    expect(certificates().map(({ status }) => status)).toEqual(['REVOKED']);
  });

  it('lists and removes', async () => {
    for (const thing of ['device00', 'device01']) await site.run(['thing', 'add', thing]);
    registry().createThing('somebody-elses');
    const { stdout } = await site.run(['thing', 'ls', '--json']);
    const listed = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(listed).toMatchObject([
      { thing: 'device00', certificates: [{ id: idOf('device00'), status: 'ACTIVE' }] },
      { thing: 'device01', certificates: [{ id: idOf('device01'), status: 'ACTIVE' }] },
    ]);
    expect((await site.run(['thing', 'rm', 'device00'])).status).toBe(0);
    expect(registry().things()).toEqual(['device01', 'somebody-elses']);
    expect(registry().certificates()).toEqual([idOf('device01')]);
    expect((await site.run(['thing', 'rm', 'device00'])).stdout).toContain('was not there');
  });

  it('removes what was revoked, and waits while AWS IoT holds what was detached to be attached', async () => {
    await add();
    await site.run(['thing', 'revoke', 'device00']);
    registry().lateRemovals = 1;
    expect(await site.run(['thing', 'rm', 'device00'])).toMatchObject({ status: 0, stderr: '' });
    expect({ things: registry().things(), certificates: registry().certificates() }).toEqual({
      things: [],
      certificates: [],
    });
  });

  it('leaves a certificate that is also of another thing', async () => {
    await add();
    registry().createThing('twin');
    registry().attachThing('twin', registry().principals('device00')[0]!);
    const { stdout } = await site.run(['thing', 'rm', 'device00']);
    expect(stdout).toContain('it is also of twin');
    expect(certificates('twin')).toMatchObject([{ status: 'ACTIVE', policies: ['courier-thing'] }]);
  });

  it('gives a core device a policy of its own, with its name written out, and what its nucleus is set up by', async () => {
    const { status, stdout } = await site.run(['thing', 'add', 'core:1', '--core']);
    expect(status).toBe(0);
    expect(stdout).toContain('--init-config nucleus.yaml');
    const [{ policies } = { policies: [] }] = certificates('core:1');
    expect(policies).toHaveLength(1);
    const { versions } = registry().policy(policies[0]!);
    const document = versions.get(1)!.document;
    expect(document.length).toBeLessThanOrEqual(2_048);
    expect(document).not.toContain('${');
    expect(JSON.parse(document).Statement[0]).toEqual({
      Effect: 'Allow',
      Action: 'iot:Connect',
      Resource: `arn:aws:iot:eu-central-1:${site.cloud.accountId}:client/core:1*`,
    });
    expect(site.list('core:1')).toEqual(
      expect.arrayContaining(['courier.yaml', 'deployment.json', 'nucleus-lite.yaml', 'nucleus.yaml']),
    );
    const deployment = JSON.parse(site.read('core:1/deployment.json'));
    expect(JSON.parse(deployment.components['com.thingcourier.Courier'].configurationUpdate.merge)).toEqual(
      parse(site.read('core:1/courier.yaml')),
    );
    // Again after the stack was changed: the policy follows, though it has as many versions as it may.
    for (let i = 0; i < 4; i++) registry().addPolicyVersion(policies[0]!, '{"Version":"2012-10-17","Statement":[]}');
    expect((await site.run(['thing', 'add', 'core:1', '--core'])).status).toBe(0);
    const { versions: later, defaultVersion } = registry().policy(policies[0]!);
    expect(later.get(defaultVersion)!.document).toBe(document);
    expect((await site.run(['thing', 'rotate', 'core:1'])).stdout).toContain('--init-config nucleus.yaml');
    expect(certificates('core:1').map((one) => one.policies)).toEqual([policies, policies]);
    expect((await site.run(['thing', 'rm', 'core:1'])).status).toBe(0);
    expect(() => registry().policy(policies[0]!)).toThrow('does not exist');
  });
});
