import { writeFileSync } from 'node:fs';
import { ANSWER_WITHIN_MS } from '../../src/aws/greengrass/ipc-client';
import { IpcConnection } from '../../src/aws/greengrass/ipc-connection';
import { type Clock, systemClock } from '../../src/clock';
import { Nucleus } from '../support/nucleus/nucleus';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

/** Minutes of waiting pass in seconds. @param answersBy how much faster the time for an answer passes */
const hurried = (answersBy: number): Clock => ({
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms / (ms === ANSWER_WITHIN_MS ? answersBy : 50), signal),
});
/** Where all is answered: a busy machine is not taken for a nucleus that says nothing. */
const patient = hurried(1);
/** Where an answer is waited for in vain. */
const hasty = hurried(10);

describe.each(['classic', 'lite'] as const)('the connection to %s', (kind) => {
  let nucleus: Nucleus;
  let connection: IpcConnection;
  let orphaned: number;
  let tries: number;
  /** Connections that came about. */
  let made: number;

  const begin = (clock: Clock, authToken = nucleus.env().SVCUID!): void => {
    connection = new IpcConnection({
      socketPath: nucleus.ipc.socketPath,
      authToken,
      clock,
      dice: () => {
        tries++; // once for each pause
        return 0;
      },
      log: silentLog,
      onOrphaned: () => {
        orphaned++;
      },
    }).start();
    connection.onConnected(() => made++);
  };

  beforeEach(async () => {
    [orphaned, tries, made] = [0, 0, 0];
    nucleus = await new Nucleus({ kind, configuration: { a: 1 } }).start();
  });
  afterEach(async () => {
    await connection.stop();
    await nucleus.stop();
  });

  it('5: believes that its token is no longer good after some refusals, not after one', async () => {
    begin(patient, '0123456789abcdef');
    await until('orphaned', () => orphaned > 0);
    expect(tries).toBeGreaterThanOrEqual(4);
    expect(tries).toBeLessThanOrEqual(5);
  });

  it('6: waits for a socket that is not there, however long', async () => {
    await nucleus.ipc.stop();
    begin(patient);
    await until('tried', () => tries >= 12);
    expect(orphaned).toBe(0);
    await nucleus.ipc.start();
    await until('connected', () => connection.isConnected);
  });

  it('6: waits where nobody listens on a socket that is left over', async () => {
    await nucleus.ipc.stop();
    writeFileSync(nucleus.ipc.socketPath, '');
    begin(patient);
    await until('tried', () => tries >= 12);
    expect(orphaned).toBe(0);
  });

  it('6: waits for a nucleus that takes the connection and says nothing', async () => {
    nucleus.switches.hanging.add('Connect');
    begin(hurried(50));
    await until('tried', () => tries >= 7);
    expect(orphaned).toBe(0);
    nucleus.switches.hanging.clear();
    await until('connected', () => connection.isConnected);
  });

  it('1: gives up a connection on which nothing is answered, and makes another', async () => {
    begin(hasty);
    await until('connected', () => connection.isConnected);
    const before = made;
    nucleus.switches.hanging.add('GetConfiguration');
    const asked = Array.from({ length: 12 }, () => connection.request('GetConfiguration', { keyPath: [] }));
    for (const { status } of await Promise.allSettled(asked)) expect(status).toBe('rejected');
    nucleus.switches.hanging.clear();
    await until('connected anew', () => made > before && connection.isConnected);
    expect(await connection.request('GetConfiguration', { keyPath: [] })).toMatchObject({ value: { a: 1 } });
  });

  it('1: a subscription that is not answered is given up in time, and what comes of it later is nobody’s', async () => {
    begin(hasty);
    await until('connected', () => connection.isConnected);
    nucleus.switches.hanging.add('SubscribeToTopic');
    const subscribed = connection.subscribe('SubscribeToTopic', { topic: 'a' }, fail, fail);
    await expect(subscribed).rejects.toThrow('no answer from the nucleus');
  });

  it('a call under way ends with the connection', async () => {
    begin(patient);
    await until('connected', () => connection.isConnected);
    nucleus.switches.hanging.add('GetConfiguration');
    const asked = connection.request('GetConfiguration', { keyPath: [] });
    nucleus.ipc.drop();
    await expect(asked).rejects.toThrow('GetConfiguration');
  });

  it('a connection that is lost while calls are written costs no process', async () => {
    begin(patient);
    for (let i = 1; i <= 25; i++) {
      await until('connected', () => made === i);
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
    begin(patient);
    for (let i = 1; i <= 5; i++) {
      await until('connected', () => made === i);
      expect(nucleus.ipc.connections).toBe(1);
      nucleus.ipc.drop();
    }
    await until('connected', () => connection.isConnected && nucleus.ipc.connections === 1);
    await connection.stop();
    await until('closed', () => nucleus.ipc.connections === 0);
  });

  it('tells whoever wants to know of each connection, until they no longer do', async () => {
    begin(patient);
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
