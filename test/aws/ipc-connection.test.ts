import { writeFileSync } from 'node:fs';
import { IpcConnection } from '../../src/aws/greengrass/ipc-connection';
import { systemClock } from '../../src/clock';
import { Nucleus } from '../support/nucleus/nucleus';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

/** Minutes of waiting pass in seconds. */
const hasty = { ...systemClock, sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / 50, signal) };

describe.each(['classic', 'lite'] as const)('the connection to %s', (kind) => {
  let nucleus: Nucleus;
  let connection: IpcConnection;
  let orphaned: number;
  let tries: number;

  const begin = (authToken = nucleus.env().SVCUID!): void => {
    connection = new IpcConnection({
      socketPath: nucleus.ipc.socketPath,
      authToken,
      clock: hasty,
      dice: () => {
        tries++; // once for each pause
        return 0;
      },
      log: silentLog,
      onOrphaned: () => {
        orphaned++;
      },
    }).start();
  };

  beforeEach(async () => {
    [orphaned, tries] = [0, 0];
    nucleus = await new Nucleus({ kind, configuration: { a: 1 } }).start();
  });
  afterEach(async () => {
    await connection.stop();
    await nucleus.stop();
  });

  it('5: believes that its token is no longer good after some refusals, not after one', async () => {
    begin('0123456789abcdef');
    await until('orphaned', () => orphaned > 0);
    expect(tries).toBeGreaterThanOrEqual(4);
    expect(tries).toBeLessThanOrEqual(5);
  });

  it('6: waits for a socket that is not there, however long', async () => {
    await nucleus.ipc.stop();
    begin();
    await until('tried', () => tries >= 12);
    expect(orphaned).toBe(0);
    await nucleus.ipc.start();
    await until('connected', () => connection.isConnected);
  });

  it('6: waits where nobody listens on a socket that is left over', async () => {
    await nucleus.ipc.stop();
    writeFileSync(nucleus.ipc.socketPath, '');
    begin();
    await until('tried', () => tries >= 12);
    expect(orphaned).toBe(0);
  });

  it('6: waits for a nucleus that takes the connection and says nothing', async () => {
    nucleus.switches.hanging.add('Connect');
    begin();
    await until('tried', () => tries >= 7);
    expect(orphaned).toBe(0);
    nucleus.switches.hanging.clear();
    await until('connected', () => connection.isConnected);
  });

  it('1: gives up a connection on which nothing is answered, and makes another', async () => {
    begin();
    await until('connected', () => connection.isConnected);
    nucleus.switches.hanging.add('GetConfiguration');
    const asked = Array.from({ length: 12 }, () => connection.request('GetConfiguration', { keyPath: [] }));
    for (const { status } of await Promise.allSettled(asked)) expect(status).toBe('rejected');
    nucleus.switches.hanging.clear();
    await until('connected anew', () => nucleus.ipc.asked('Connect').length === 2 && connection.isConnected);
    expect(await connection.request('GetConfiguration', { keyPath: [] })).toMatchObject({ value: { a: 1 } });
  });

  it('1: a subscription that is not answered is given up in time, and what comes of it later is nobody’s', async () => {
    begin();
    await until('connected', () => connection.isConnected);
    nucleus.switches.hanging.add('SubscribeToTopic');
    const subscribed = connection.subscribe('SubscribeToTopic', { topic: 'a' }, fail, fail);
    await expect(subscribed).rejects.toThrow('no answer from the nucleus');
  });

  it('a call under way ends with the connection', async () => {
    begin();
    await until('connected', () => connection.isConnected);
    nucleus.switches.hanging.add('GetConfiguration');
    const asked = connection.request('GetConfiguration', { keyPath: [] });
    nucleus.ipc.drop();
    await expect(asked).rejects.toThrow('GetConfiguration');
  });

  it('a connection that is lost while calls are written costs no process', async () => {
    begin();
    for (let i = 1; i <= 25; i++) {
      await until('connected', () => connection.isConnected && nucleus.ipc.asked('Connect').length === i);
      const calls = Array.from({ length: 4 }, () => connection.request('GetConfiguration', { keyPath: [] }));
      const streams = Array.from({ length: 4 }, () =>
        connection.subscribe(
          'SubscribeToTopic',
          { topic: 'a' },
          () => undefined,
          () => undefined,
        ),
      );
      nucleus.ipc.drop();
      await Promise.allSettled([...calls, ...streams]);
    }
  });

  it('8: has one connection at a time, and closes those before', async () => {
    begin();
    for (let i = 1; i <= 5; i++) {
      await until('connected', () => connection.isConnected && nucleus.ipc.asked('Connect').length === i);
      expect(nucleus.ipc.connections).toBe(1);
      nucleus.ipc.drop();
    }
    await until('connected', () => connection.isConnected && nucleus.ipc.connections === 1);
    await connection.stop();
    await until('closed', () => nucleus.ipc.connections === 0);
  });

  it('tells whoever wants to know of each connection, until they no longer do', async () => {
    begin();
    await until('connected', () => connection.isConnected);
    const told: number[] = [];
    const unlisten = [1, 2].map((n) => connection.onConnected(() => told.push(n)));
    expect(told).toEqual([1, 2]); // there was one already
    unlisten[0]!();
    nucleus.ipc.drop();
    await until('told again', () => told.length === 3);
    expect(told).toEqual([1, 2, 2]);
  });
});

const fail = (): never => {
  throw new Error('nothing was to be told');
};
