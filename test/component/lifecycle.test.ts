import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoreDevice } from '../support/core-device';
import { until } from '../support/until';

const CANNOT = 'the deployed configuration cannot be used, the one before stays in use';

describe('the component under what goes wrong around it', () => {
  let device: CoreDevice;

  const begin = async (options: Parameters<typeof CoreDevice.create>[0]): Promise<void> => {
    device = await CoreDevice.create(options);
    device.start();
    await until('attended', () => device.nucleus.configuration.subscribers === 1);
  };
  const dropAndWait = async (name: string): Promise<void> => {
    device.drop(name, name);
    await device.stored(`device00/outbox/${name}`);
  };

  afterEach(() => device.end());

  it('7: ends in order within 5 s while the nucleus does not answer, and what it did not take is told after the start', async () => {
    await begin({ kind: 'lite' });
    device.nucleus.switches.hanging.add('PublishToTopic');
    await dropAndWait('a.txt');
    await until('asked', () => device.nucleus.ipc.asked('PublishToTopic').length === 1);
    const sinceMs = performance.now();
    expect(await device.stop()).toBe(0);
    expect(performance.now() - sinceMs).toBeLessThan(4_400);
    expect(device.logs.at(-1)!.message).toBe('stopped');
    device.nucleus.switches.hanging.clear();
    device.start();
    await until('told', () => device.nucleus.topics.published.length === 1);
  });

  it('ends in order while it waits for a configuration', async () => {
    device = await CoreDevice.create({ kind: 'classic' });
    device.nucleus.switches.hanging.add('GetConfiguration');
    device.start();
    await until('asked', () => device.nucleus.ipc.asked('GetConfiguration').length === 1);
    expect(await device.stop()).toBe(0);
  });

  it('waits while the nucleus refuses its configuration, and says so once', async () => {
    device = await CoreDevice.create({ kind: 'classic' });
    device.nucleus.switches.unsupported.add('GetConfiguration');
    device.start();
    await until('asked thrice', () => device.nucleus.ipc.asked('GetConfiguration').length === 3);
    expect(await device.logged('the nucleus has no configuration for us, asking on')).toHaveLength(1);
    device.nucleus.switches.unsupported.delete('GetConfiguration');
    await dropAndWait('a.txt');
  });

  it('runs on where the work folder takes no file', async () => {
    device = await CoreDevice.create({ kind: 'classic' });
    for (const name of ['configuration.json.new', 'courier.new']) mkdirSync(join(device.work, name));
    device.start();
    await until('attended', () => device.nucleus.configuration.subscribers === 1);
    expect(
      await device.logged("cannot be written, going on without; check the work folder's rights and its disk", 2),
    ).toHaveLength(2);
    await dropAndWait('a.txt');
    await device.nucleus.deploy({ upload: { parallelFiles: 3 } });
    await device.logged('the new configuration is in use');
    await dropAndWait('b.txt');
    expect(device.isRunning).toBe(true);
  });

  it.each([
    ['an outbox', { outboxes: [{ path: 'taken/outbox' }] }],
    ['its state', { state: { dir: 'taken/state' } }],
  ])('keeps the configuration before where the folder of %s cannot be made', async (_, change) => {
    await begin({ kind: 'classic' });
    writeFileSync(join(device.work, 'taken'), 'a file');
    await device.nucleus.deploy(change);
    expect((await device.logged(CANNOT))[0]!.reason).toMatch(
      /taken.*check (the path and its rights|state.dir and the disk)$/,
    );
    await dropAndWait('a.txt');
    await device.stop();
    device.start(); // on what the nucleus has, which cannot be used, and so on what it had before
    await dropAndWait('b.txt');
  });

  it('ends with an error where neither the new configuration nor the one before can run, rather than do nothing', async () => {
    await begin({ kind: 'classic' });
    const caFile = join(device.work, 'ca.pem');
    copyFileSync(device.cloud.caFile, caFile);
    await device.nucleus.deploy({ s3: { caFile } });
    await device.logged('the new configuration is in use');
    rmSync(caFile);
    await device.nucleus.deploy({ s3: { caFile: '/nowhere/ca.pem' } });
    expect(await device.exited()).toBe(1);
    expect((await device.logged('broken, ending; start it again'))[0]!.reason).toContain('what ran before');
  });

  it('tells each file once over inner restarts, by one publisher', async () => {
    await begin({ kind: 'lite', switches: { restartAfterMs: undefined } });
    for (let i = 1; i <= 4; i++) {
      await device.nucleus.deploy({ state: { historyFiles: 100 + i } });
      await device.logged('the new configuration is in use', i);
    }
    device.nucleus.ipc.drop();
    await device.logged('connected to the nucleus', 2);
    for (let i = 0; i < 10; i++) device.drop(`${i}.txt`, 'x');
    await until('told', () => device.nucleus.topics.published.length >= 10);
    await until('none stored', async () => (await device.status()).messages?.stored === 0);
    expect(device.nucleus.topics.published).toHaveLength(10);
    expect(device.output).not.toContain('MaxListeners');
  });
});
