import { CoreDevice } from '../support/core-device';
import { until } from '../support/until';

describe.each(['classic', 'lite'] as const)('deployed on %s', (kind) => {
  let device: CoreDevice;

  beforeEach(async () => {
    device = await CoreDevice.create({ kind });
  });
  afterEach(() => device.end());

  it('takes its configuration from the nucleus and its credentials from the token exchange', async () => {
    device.start().drop('a/b.txt', 'hello');
    await device.stored('device00/outbox/a/b.txt');
    expect((await device.content('device00/outbox/a/b.txt')).toString()).toBe('hello');
    expect(await device.status()).toMatchObject({ credentials: { source: 'token-exchange' }, warnings: [] });
    // S3 has it a moment before the device knows.
    await until('it is counted', async () => (await device.status()).uploads.done === 1);
    expect(await device.courier('status')).toMatch(/thing device00[\s\S]*1 delivered/);
    expect(await device.stop()).toBe(0);
  });

  it('tells other components of each delivered file', async () => {
    device.start();
    for (let i = 0; i < 40; i++) device.drop(`${i}.txt`, String(i));
    await until('40 messages', () => device.nucleus.topics.published.length >= 40);
    const told = device.nucleus.topics.published.map(
      ({ message }) => JSON.parse(String(message)) as { key: string; path: string },
    );
    expect(new Set(device.nucleus.topics.published.map(({ topic }) => topic))).toEqual(
      new Set(['courier/outbox/delivered']),
    );
    expect(new Set(told.map(({ key }) => key)).size).toBe(40);
    expect(told).toContainEqual({
      event: 'delivered',
      id: expect.stringMatching(/^[0-9a-f]{12}-\d+$/) as string,
      thing: 'device00',
      path: `${device.outbox}/7.txt`,
      bucket: 'fleet-bucket',
      key: 'device00/outbox/7.txt',
      sizeBytes: 1,
      outcome: 'delivered',
    });
  });

  it('reads settings that a local deployment turned into strings', async () => {
    device.nucleus.switches.stringScalars = true;
    await device.nucleus.deploy({ upload: { parallelFiles: 3 }, thing: { type: null } });
    device.start().drop('a.txt', 'hello');
    await device.stored('device00/outbox/a.txt');
  });

  it('ends within 5 s, in the middle of a file that does not end, and goes on where it was', async () => {
    const stalled = device.cloud.faults.add({ kind: 'stall', operation: 'UploadPart', skip: 1, count: Infinity });
    device.start().drop('big.bin', Buffer.alloc(24 * 1024 * 1024, 7));
    await stalled.waitForHits(1);
    const sinceMs = performance.now();
    expect(await device.stop()).toBe(0);
    expect(performance.now() - sinceMs).toBeLessThan(5_000); // the nucleus's own limit, after which it kills
    stalled.remove();
    device.start();
    await device.stored('device00/outbox/big.bin');
  });
});

describe('what a component is given to start with', () => {
  let device: CoreDevice;

  afterEach(() => device.end());

  it('has an outbox in its work folder where none is configured', async () => {
    device = await CoreDevice.create({ kind: 'classic', configuration: { outboxes: null } });
    device.start();
    await device.logged('running');
    expect(await device.status()).toMatchObject({ outboxes: [{ path: device.outbox }] });
    device.drop('a.txt', 'hello');
    await device.stored('device00/outbox/a.txt');
  });

  it('runs without a bucket, and says what is missing', async () => {
    device = await CoreDevice.create({ kind: 'lite', configuration: { s3: null, outboxes: null } });
    device.start();
    expect(
      (
        await device.logged(
          'neither an outbox, an inbox nor jobs are configured, nothing to do; set s3.bucket, and outboxes, inbox.dir or jobs.dir',
        )
      )[0],
    ).toBeDefined();
    expect(device.isRunning).toBe(true);
  });

  it('ends with every problem where no configuration it ever had can be used', async () => {
    device = await CoreDevice.create({
      kind: 'lite',
      configuration: { upload: { parallelFiles: 'many' }, outboxes: [{ path: 'outbox', key: '{wrong}' }] },
    });
    expect(await device.start().exited()).toBe(2);
    expect(device.output).toContain('upload.parallelFiles');
  });

  it('uses the role alias where the configuration says so', async () => {
    device = await CoreDevice.create({ kind: 'classic', configuration: { credentials: { source: 'role-alias' } } });
    expect(await device.start().exited()).toBe(2);
    expect(device.output).toContain('credentials.roleAlias.endpoint: missing');
  });

  it('waits for an IPC that is not there yet, and for a token exchange that cannot answer yet', async () => {
    device = await CoreDevice.create({ kind: 'classic' });
    await device.nucleus.ipc.stop();
    device.start().drop('a.txt', 'hello');
    await device.logged('no connection to the nucleus, trying on');
    await device.cloud.goOffline();
    await device.nucleus.ipc.start();
    await device.logged('running');
    await device.cloud.goOnline();
    await device.stored('device00/outbox/a.txt');
  });
});
