import { CoreDevice } from '../support/core-device';
import { until } from '../support/until';

const AWAY = 'no connection to the nucleus, trying on';

describe('the traps of the nucleus', () => {
  let device: CoreDevice;

  const begin = async (options: Parameters<typeof CoreDevice.create>[0]): Promise<void> => {
    device = await CoreDevice.create(options);
    device.start();
    await until('attended', () => device.nucleus.configuration.subscribers === 1);
  };
  const told = (): string[] =>
    device.nucleus.topics.published.map(({ message }) => (JSON.parse(String(message)) as { key: string }).key);
  const dropAndWait = async (name: string): Promise<void> => {
    device.drop(name, name);
    await device.stored(`device00/outbox/${name}`);
  };

  afterEach(() => device.end());

  it('1: a call that is never answered holds nobody up, and the message follows', async () => {
    await begin({ kind: 'lite' });
    device.nucleus.switches.hanging.add('PublishToTopic');
    await dropAndWait('a.txt');
    await until('asked', () => device.nucleus.ipc.asked('PublishToTopic').length === 1);
    device.nucleus.switches.hanging.delete('PublishToTopic');
    await until('told', () => told().includes('device00/outbox/a.txt'));
    await dropAndWait('b.txt');
  });

  it.each(['GetConfiguration', 'PublishToTopic'])(
    '7: ends in order and in time while %s is not answered',
    async (operation) => {
      await begin({ kind: 'classic' });
      device.nucleus.switches.hanging.add(operation);
      const before = device.nucleus.ipc.asked(operation).length;
      await device.nucleus.deploy({ upload: { parallelFiles: 3 } });
      await dropAndWait('a.txt');
      await until('asked', () => device.nucleus.ipc.asked(operation).length > before);
      const sinceMs = performance.now();
      expect(await device.stop()).toBe(0);
      expect(performance.now() - sinceMs).toBeLessThan(4_000);
      expect(device.logs.at(-1)!.message).toBe('stopped');
    },
  );

  it('hears of what was changed while its subscription to that was refused', async () => {
    device = await CoreDevice.create({ kind: 'classic' });
    device.nucleus.switches.unsupported.add('SubscribeToConfigurationUpdate');
    device.start();
    await until('refused', () => device.nucleus.ipc.asked('SubscribeToConfigurationUpdate').length === 1);
    await until('read', () => device.nucleus.ipc.asked('GetConfiguration').length === 2);
    await device.nucleus.deploy({ upload: { parallelFiles: 3 } });
    device.nucleus.switches.unsupported.delete('SubscribeToConfigurationUpdate');
    await device.logged('the new configuration is in use');
  });

  it('1: a key and a path as long as can be make a message that a nucleus lite takes', async () => {
    await begin({ kind: 'lite' });
    const long = `${'d'.repeat(200)}/${'"'.repeat(200)}/${'ü'.repeat(100)}/${'x'.repeat(240)}/${'\\'.repeat(150)}`;
    device.drop(long, 'x');
    await until('told', () => told().length === 1);
    expect(device.nucleus.ipc.asked('PublishToTopic')).toHaveLength(1);
    expect(device.logs.filter(({ message }) => message === AWAY)).toEqual([]);
  });

  it('2: at most five messages are under way, a refused one follows', async () => {
    await begin({ kind: 'lite' });
    await device.nucleus.ipc.stop();
    for (let i = 0; i < 20; i++) device.drop(`${i}.txt`, 'x');
    await until('20 stored messages', async () => (await device.status()).messages?.stored === 20);
    device.nucleus.switches.hanging.add('PublishToTopic');
    await device.nucleus.ipc.start();
    await until('5 asked', () => device.nucleus.ipc.asked('PublishToTopic').length === 5);
    await dropAndWait('last.txt');
    expect(device.nucleus.ipc.asked('PublishToTopic')).toHaveLength(5);
    device.nucleus.switches.hanging.clear();
    await until('all told', () => new Set(told()).size === 21);
  });

  it('3: messages survive a nucleus that is away, and a kill', async () => {
    await begin({ kind: 'lite' });
    await device.nucleus.ipc.stop();
    for (let i = 0; i < 10; i++) device.drop(`${i}.txt`, 'x');
    await until('10 files', () => device.keys().length === 10);
    await until('10 stored messages', async () => (await device.status()).messages?.stored === 10);
    await device.stop('SIGKILL');
    await device.nucleus.ipc.start();
    device.start();
    await until('all told', () => new Set(told()).size === 10);
    await until('none stored', async () => (await device.status()).messages?.stored === 0);
  });

  it('5: ends with an error when the nucleus no longer knows it, files in order, and the next start goes on', async () => {
    await begin({ kind: 'lite' });
    device.nucleus.ipc.restartDaemon();
    expect(await device.exited()).toBe(1);
    expect(device.logs.map(({ message }) => message)).toContain(
      'the nucleus no longer knows this process, ending; it starts another',
    );
    expect(device.logs.at(-1)!.message).toBe('stopped');
    device.start();
    await dropAndWait('a.txt');
  });

  it('6: never ends because the nucleus, the cloud or the credentials are away, and files that can go, go', async () => {
    await begin({ kind: 'classic' });
    await device.nucleus.ipc.stop();
    await device.logged(AWAY);
    await dropAndWait('a.txt');
    expect((await device.status()).warnings).toEqual(['no connection to the nucleus, files go on; look into its log']);
    await device.nucleus.ipc.start();
    await until('attended anew', () => device.nucleus.configuration.subscribers === 1);
    expect(device.isRunning).toBe(true);
  });

  it('8: makes a new client after each disconnection, and hears of changes by it', async () => {
    await begin({ kind: 'classic' });
    for (let i = 1; i <= 3; i++) {
      device.nucleus.ipc.drop();
      await device.logged('connected to the nucleus', i + 1);
      await until('attended anew', () => device.nucleus.configuration.subscribers === 1);
      await device.nucleus.deploy({ upload: { parallelFiles: i } });
      await device.logged('the new configuration is in use', i);
    }
    expect(device.nucleus.ipc.connections).toBe(1);
  });

  it('hears of what was changed while it was not connected', async () => {
    await begin({ kind: 'classic' });
    await device.nucleus.ipc.stop();
    await device.logged(AWAY);
    await device.nucleus.deploy({ upload: { parallelFiles: 3 } });
    await device.nucleus.ipc.start();
    await device.logged('the new configuration is in use');
  });

  it('9: says one record a line', async () => {
    await begin({ kind: 'classic' });
    await dropAndWait('a.txt');
    await device.stop();
    for (const line of device.output.trimEnd().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });

  it('does without what the nucleus does not offer, and says so once', async () => {
    await begin({ kind: 'lite' });
    const message = 'the nucleus does not offer it here, going on without';
    expect(await device.logged(message, 2)).toHaveLength(2);
    device.nucleus.ipc.drop();
    await device.logged('connected to the nucleus', 2);
    await until('attended anew', () => device.nucleus.ipc.asked('SubscribeToComponentUpdates').length === 2);
    await dropAndWait('a.txt');
    expect(await device.logged(message, 2)).toHaveLength(2);
  });

  it('tells once which lines of accessControl are missing for a topic of the configuration, and sends on', async () => {
    const accessControl = {
      'aws.greengrass.ipc.pubsub': {
        'com.thingcourier.Courier:pubsub:1': {
          operations: ['aws.greengrass#PublishToTopic'],
          resources: ['courier/outbox/delivered'],
        },
      },
    };
    await begin({ kind: 'classic', accessControl, configuration: { greengrass: { deliveredTopic: 'my/own' } } });
    await dropAndWait('a.txt');
    await dropAndWait('b.txt');
    const [line] = await device.logged('not permitted');
    const merge = JSON.parse(line!.reason!.slice(line!.reason!.indexOf('{'))) as object;
    expect(merge).toEqual({
      accessControl: {
        'aws.greengrass.ipc.pubsub': {
          'com.thingcourier.Courier:own:PublishToTopic': {
            operations: ['aws.greengrass#PublishToTopic'],
            resources: ['my/own'],
          },
        },
      },
    });
    await until('2 stored messages', async () => (await device.status()).messages?.stored === 2);
    expect((await device.status()).messages).toMatchObject({ problems: [line!.reason] });
    expect(await device.logged('not permitted')).toHaveLength(1);
  });

  it('takes no credentials for now for what it is, also where lite answers null', async () => {
    await begin({ kind: 'lite' });
    await device.cloud.goOffline();
    device.drop('a.txt', 'x');
    await until('the link is down', async () => (await device.status()).link.state === 'down');
    expect((await device.status()).refusals).toEqual([]);
    await device.cloud.goOnline();
    await device.stored('device00/outbox/a.txt');
  });
});
