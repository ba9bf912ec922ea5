import { MqttSite } from '../support/mqtt-site';
import { until } from '../support/until';
import type { LocalThing } from './local-cloud';
import type { PolicyDocument } from './policy';
import { courierIotPolicy } from './seed-iot-policies';

let site: MqttSite;
let thing: LocalThing;

beforeAll(async () => {
  site = await MqttSite.start();
  thing = await site.createThing('pump-1', courierIotPolicy(site.cloud));
});
afterAll(() => site.stop());

const everything = (Action: string | string[]): PolicyDocument => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action, Resource: '*' }],
});
const outcomeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error: Error) => `${error.name}: ${error.message}`,
  );
const HUNG_UP = 'ConnectionLost: AWS_IO_SOCKET_CLOSED';

describe('what the policy allows', () => {
  it('goes both ways', async () => {
    const { connection, heard } = await site.connect(thing);
    await connection.subscribe('courier/pump-1/inbox/pull');
    await site.cloud.mqtt.publish('courier/pump-1/inbox/pull', { keys: ['a'] });
    await connection.publish('courier/pump-1/inbox/result', Buffer.from('done'));
    await until(
      'heard',
      () => heard.length === 1,
      () => heard,
    );
    expect(heard).toEqual(['courier/pump-1/inbox/pull {"keys":["a"]}']);
    expect((await site.cloud.mqtt.waitFor('courier/+/inbox/result')).payload.toString()).toBe('done');
  });
});

describe('what the policy does not allow is hung up on', () => {
  it.each([
    ['publishing', (c: Connected) => c.publish('courier/pump-2/inbox/result', Buffer.from('x')), 'iot:Publish'],
    ['subscribing', (c: Connected) => c.subscribe('courier/pump-2/inbox/pull'), 'iot:Subscribe'],
    ['a filter that is wider than the policy', (c: Connected) => c.subscribe('courier/+/inbox/pull'), 'iot:Subscribe'],
  ])('%s', async (_, ask, action) => {
    const { connection } = await site.connect(thing);
    expect(await outcomeOf(ask(connection))).toBe(HUNG_UP);
    expect(site.cloud.mqtt.denials.at(-1)).toMatchObject({ action, clientId: 'pump-1' });
  });

  it('connecting', async () => {
    const silent = await site.createThing('silent', everything('iot:AssumeRoleWithCertificate'));
    expect(await outcomeOf(site.connect(silent))).toBe('ConnectFailed: AWS_IO_SOCKET_CLOSED');
  });

  it("connecting by another thing's name", async () => {
    expect(await outcomeOf(site.connect(thing, { clientId: 'pump-2' }))).toBe('ConnectFailed: AWS_IO_SOCKET_CLOSED');
  });

  it('a retained message, which needs a permission of its own', async () => {
    const { connection } = await site.connect(thing);
    const raw = (connection as unknown as { connection: RawConnection }).connection;
    raw.publish('courier/pump-1/inbox/result', 'x', 1, true).catch(() => undefined);
    await until('hung up', () => connection.lost.aborted);
    expect(site.cloud.mqtt.denials.at(-1)?.action).toBe('iot:RetainPublish');
  });
});

it('without iot:Receive a subscription stays, and nothing comes', async () => {
  const deaf = await site.createThing('deaf', everything(['iot:Connect', 'iot:Subscribe', 'iot:Publish']));
  const { connection, heard } = await site.connect(deaf);
  await connection.subscribe('a/b');
  await site.cloud.mqtt.publish('a/b', 'x');
  await connection.publish('a/c', Buffer.from('still there'));
  expect(heard).toEqual([]);
  expect(connection.lost.aborted).toBe(false);
});

describe('limits are hung up on', () => {
  let free: LocalThing;
  beforeAll(async () => {
    free = await site.createThing('free', everything('iot:*'));
  });

  it.each([
    ['a payload beyond 128 KB', (c: Connected) => c.publish('a', Buffer.alloc(128 * 1024 + 1))],
    ['a topic beyond seven slashes', (c: Connected) => c.publish('a/b/c/d/e/f/g/h/i', Buffer.from('x'))],
    ['a filter beyond seven slashes', (c: Connected) => c.subscribe('a/b/c/d/e/f/g/h/i')],
  ])('%s', async (_, ask) => {
    const { connection } = await site.connect(free);
    expect(await outcomeOf(ask(connection))).toBe(HUNG_UP);
  });

  it('and what is within them is not', async () => {
    const { connection } = await site.connect(free);
    await connection.publish('a/b/c/d/e/f/g/h', Buffer.alloc(128 * 1024));
    for (let i = 0; i < 50; i++) await connection.subscribe(`many/${i}`);
    expect(await outcomeOf(connection.subscribe('many/more'))).toBe(HUNG_UP);
  });
});

it('one client per id: the older is thrown out', async () => {
  const alone = await site.createThing('alone', courierIotPolicy(site.cloud)); // connections of tests before may linger
  const { connection: older } = await site.connect(alone);
  const { connection: newer } = await site.connect(alone);
  await until('thrown out', () => older.lost.aborted);
  expect(newer.lost.aborted).toBe(false);
  await until('one is left', () => site.cloud.mqtt.clientIds.filter((id) => id === 'alone').length === 1);
});

it('keeps what is published for a session that is away, also while the cloud goes offline', async () => {
  const away = await site.createThing('away', courierIotPolicy(site.cloud));
  const { connection } = await site.connect(away);
  await connection.subscribe('courier/away/inbox/pull');
  await connection.close();
  await site.cloud.mqtt.publish('courier/away/inbox/pull', 'kept');
  await site.cloud.goOffline();
  await site.cloud.goOnline();
  const { heard } = await site.connect(away);
  await until('heard', () => heard.length > 0);
  expect(heard).toEqual(['courier/away/inbox/pull kept']);
});

it.each(['INACTIVE', 'REVOKED'] as const)('takes no certificate that is %s', async (status) => {
  const gone = await site.createThing(`gone-${status}`, courierIotPolicy(site.cloud));
  site.cloud.setCertificateStatus(gone.certificateId, status);
  expect(await outcomeOf(site.connect(gone))).toBe('ConnectFailed: AWS_IO_SOCKET_CLOSED');
});

type Connected = Awaited<ReturnType<MqttSite['connect']>>['connection'];

interface RawConnection {
  publish(topic: string, payload: string, qos: number, retain: boolean): Promise<unknown>;
}
