import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoreDevice } from '../support/core-device';
import { until } from '../support/until';

const WITHOUT = "cannot be written, going on without; check the work folder's rights and its disk";
const CANNOT = 'the deployed configuration cannot be used, the one before stays in use';

describe.each(['classic', 'lite'] as const)('a changed configuration on %s', (kind) => {
  let device: CoreDevice;

  beforeEach(async () => {
    device = await CoreDevice.create({ kind, switches: { restartAfterMs: undefined } });
    device.start();
    await device.logged('running');
  });
  afterEach(() => device.end());

  it('takes up limits, rules and intervals at once, and leaves what is under way alone', async () => {
    const stalled = device.cloud.faults.add({ kind: 'stall', operation: 'PutObject', key: /slow/ });
    device.drop('slow.bin', 'slow');
    await stalled.waitForHits(1);
    await device.nucleus.deploy({
      upload: { parallelFiles: 2 },
      outboxes: [{ path: 'outbox', rescanSeconds: 0.1, settleSeconds: 0, ignore: ['*.log'], deleteGraceSeconds: 0 }],
    });
    expect(await device.logged('the new configuration is in use')).toMatchObject([{ reason: 'at once' }]);
    device.drop('b.log', 'ignored');
    device.drop('c.txt', 'sent');
    await device.stored('device00/outbox/c.txt');
    expect(device.keys()).not.toContain('device00/outbox/b.log');
    stalled.release();
    await device.stored('device00/outbox/slow.bin');
    const puts = device.cloud.requests.filter(({ key }) => key?.endsWith('slow.bin'));
    expect(puts).toMatchObject([{ fault: 'stall' }]); // the one under way went on, there was no second
  });

  it('goes to another bucket by an orderly restart in the same process', async () => {
    device.cloud.createBucket('other-bucket');
    device.cloud.createRoleAlias('exchange', {
      policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] },
    });
    const { pid } = await device.status();
    await device.nucleus.deploy({ s3: { bucket: 'other-bucket' } });
    expect(await device.logged('the new configuration is in use')).toMatchObject([{ reason: 'restarted inside' }]);
    device.drop('a.txt', 'hello');
    await until('a.txt in the other bucket', () => device.cloud.objects('other-bucket').length === 1);
    expect((await device.status()).pid).toBe(pid);
  });

  it('does not leave the state folder while files wait in it', async () => {
    await device.cloud.goOffline();
    device.drop('a.txt', 'hello');
    await until('a.txt is queued', async () => (await device.status()).uploads.queued === 1);
    await device.nucleus.deploy({ state: { dir: 'elsewhere' } });
    expect((await device.logged(CANNOT))[0]!.reason).toMatch(
      /files wait in .*restart the component when they are sent$/,
    );
    await device.cloud.goOnline();
    device.nucleus.tokenExchange.forget(); // classic would repeat the error for a minute
    await device.stored('device00/outbox/a.txt');
  });

  it('stays as it was when what is new cannot be opened', async () => {
    await device.nucleus.deploy({ s3: { caFile: '/nowhere/ca.pem' } });
    expect((await device.logged(CANNOT))[0]!.reason).toContain('/nowhere/ca.pem');
    device.drop('a.txt', 'hello');
    await device.stored('device00/outbox/a.txt');
    expect((await device.status()).warnings[0]).toContain('/nowhere/ca.pem');
    await device.nucleus.deploy({ s3: { caFile: device.cloud.caFile } });
    await until('nothing to look at', async () => (await device.status()).warnings.length === 0);
  });
});

describe('a configuration that cannot be used', () => {
  let device: CoreDevice;

  afterEach(() => device.end());

  it('is refused on classic before anything changes, with the sentence in the deployment', async () => {
    device = await CoreDevice.create({ kind: 'classic' });
    device.start();
    await until('validation', () => device.nucleus.validation.isSubscribed);
    const outcome = await device.nucleus.deploy({ upload: { parallelFiles: 0 } });
    expect(outcome).toMatchObject({
      result: 'refused',
      message: expect.stringContaining('upload.parallelFiles') as string,
    });
    expect(await device.nucleus.deploy({ upload: { parallelFiles: 8 } })).toEqual({ result: 'merged' });
    await device.logged('the new configuration is in use');
  });

  it('goes through on classic with validation switched off, and the one before stays in use', async () => {
    device = await CoreDevice.create({ kind: 'classic', configuration: { greengrass: { validateUpdates: false } } });
    device.start();
    await until('updates', () => device.nucleus.configuration.subscribers === 1);
    expect(await device.nucleus.deploy({ upload: { parallelFiles: 0 } })).toEqual({ result: 'merged' });
    expect((await device.logged(CANNOT))[0]!.reason).toContain('upload.parallelFiles');
  });

  it('leaves the one before in use on lite, also over the restart that lite makes', async () => {
    device = await CoreDevice.create({ kind: 'lite', switches: { restartAfterMs: 100 } });
    device.start().drop('a.txt', 'before');
    await device.stored('device00/outbox/a.txt');
    await device.nucleus.deploy({ s3: { bucket: 'Not A Bucket/' } });
    await device.logged('running', 2);
    await device.logged(CANNOT, 1);
    device.drop('b.txt', 'after');
    await device.stored('device00/outbox/b.txt');
    expect((await device.status()).warnings[0]).toContain('s3.bucket');
  });
});

describe('what a changed configuration must not cost', () => {
  let device: CoreDevice;

  const begin = async (options: Parameters<typeof CoreDevice.create>[0]): Promise<void> => {
    device = await CoreDevice.create(options);
    device.start();
    await device.logged('running');
    await until('attended', () => device.nucleus.configuration.subscribers === 1);
  };

  afterEach(() => device.end());

  it('files, when the state folder changes while they wait and the nucleus starts the component again', async () => {
    await begin({ kind: 'lite', switches: { restartAfterMs: undefined } });
    await device.cloud.goOffline();
    device.drop('a.txt', 'hello');
    await until('a.txt is queued', async () => (await device.status()).uploads.queued === 1);
    await device.nucleus.deploy({ state: { dir: 'elsewhere' } });
    await device.logged(CANNOT);
    device.nucleus.onRestartWanted(); // not before that was said
    await device.logged(CANNOT, 2);
    await device.cloud.goOnline();
    await device.stored('device00/outbox/a.txt');
    await until('nothing of it is left', async () => {
      const { uploads, outboxes } = await device.status(); // S3 has it before the daemon knows
      return uploads.done === 1 && readdirSync(outboxes[0]!.spool!).length === 0;
    });
    await device.stop();
    device.start();
    await device.logged('running', 4); // on what it had, and then on what is new
    expect((await device.status(join(device.work, 'elsewhere'))).warnings).toEqual([]);
  });

  it('the one before, when there can be no such state folder or outbox', async () => {
    await begin({ kind: 'classic' });
    writeFileSync(join(device.work, 'plain'), '');
    await device.nucleus.deploy({ state: { dir: 'plain/state' } });
    expect((await device.logged(CANNOT))[0]!.reason).toContain(`${device.work}/plain/state cannot be made (ENOTDIR)`);
    device.drop('a.txt', 'hello');
    await device.stored('device00/outbox/a.txt');
    await device.nucleus.deploy({ state: { dir: null }, outboxes: [{ path: 'plain', rescanSeconds: 0.1 }] });
    expect((await device.logged(CANNOT, 2))[1]!.reason).toContain('/plain');
    expect(device.isRunning).toBe(true);
  });

  it('the transfer, when the work folder takes nothing', async () => {
    device = await CoreDevice.create({ kind: 'classic' });
    for (const name of ['courier', 'configuration.json']) mkdirSync(join(device.work, `${name}.new`));
    device.start().drop('a.txt', 'hello');
    await device.stored('device00/outbox/a.txt');
    await until('attended', () => device.nucleus.configuration.subscribers === 1);
    await device.nucleus.deploy({ upload: { stallSeconds: 3 } });
    await device.logged('the new configuration is in use');
    device.drop('b.txt', 'hello');
    await device.stored('device00/outbox/b.txt');
    const files = (await device.logged(WITHOUT, 3)).map(({ file }) => file);
    expect(new Set(files)).toEqual(new Set(['courier', 'configuration.json'].map((name) => join(device.work, name))));
  });

  it.each([
    ['by other rules of its outbox', { rescanSeconds: 0.2 }],
    ['by an inner restart', { order: 'newest' }],
  ])('the deletion of a file sent in place, interrupted in its grace %s', async (_, change) => {
    const outbox = {
      path: 'outbox',
      claim: 'leave',
      afterUpload: 'delete',
      settleSeconds: 0,
      rescanSeconds: 0.1,
      deleteGraceSeconds: 2,
    };
    await begin({ kind: 'classic', configuration: { outboxes: [outbox] } });
    device.drop('a.txt', 'hello');
    await device.stored('device00/outbox/a.txt');
    await device.nucleus.deploy({ outboxes: [{ ...outbox, ...change }] });
    await device.logged('the new configuration is in use');
    await until('a.txt is gone', () => !existsSync(join(device.outbox, 'a.txt')));
    expect(device.cloud.requests.filter(({ operation }) => operation === 'PutObject')).toHaveLength(1);
  });
});
