import type { Client } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc';
import { type IoTCoreMessage, QOS } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc/model';
import { MQTT_PROXY } from '../support/nucleus/access-control';
import type { NucleusKind, NucleusSwitches } from '../support/nucleus/switches';
import { until } from '../support/until';
import { NucleusSite } from './nucleus-site';
import { rejectionOf } from './rejection-of';

let site: NucleusSite;
let client: Client;

async function start(kind: NucleusKind, switches: Partial<NucleusSwitches> = {}): Promise<void> {
  site = await NucleusSite.start({ kind, switches });
  client = await site.connect();
}
afterEach(() => site.end());

const publish = (topicName: string, payload: string | Buffer, qos = QOS.AT_LEAST_ONCE) =>
  client.publishToIoTCore({ topicName, payload, qos });

async function subscribe(topicName: string): Promise<{ heard: string[]; close: () => Promise<void> }> {
  const heard: string[] = [];
  const stream = client.subscribeToIoTCore({ topicName, qos: QOS.AT_LEAST_ONCE });
  stream.on('message', ({ message }: IoTCoreMessage) => {
    heard.push(`${message!.topicName} ${Buffer.from(message!.payload as ArrayBuffer)}`);
  });
  await stream.activate();
  return { heard, close: () => stream.close() };
}

describe.each(['classic', 'lite'] as const)('IoT Core behind %s', (kind) => {
  beforeEach(() => start(kind));

  it('gets what the component publishes', async () => {
    const awaited = site.nucleus.iotCore.waitFor('courier/+/status', (payload) => payload.includes('two'));
    await publish('courier/device00/status', 'one', QOS.AT_MOST_ONCE);
    await publish('courier/device00/status', 'two');
    expect(await awaited).toEqual({ topic: 'courier/device00/status', payload: Buffer.from('two'), qos: 1 });
    expect(site.nucleus.iotCore.published).toHaveLength(2);
  });

  it('publishes to the component where a filter fits', async () => {
    const one = await subscribe('courier/+/inbox/#');
    expect(site.nucleus.iotCore.publish('courier/device00/inbox/a', { key: 'a' })).toBe(1);
    expect(site.nucleus.iotCore.publish('courier/device00/outbox', 'no')).toBe(0);
    expect(site.nucleus.iotCore.publish('courier/device00/inbox', 'b')).toBe(1);
    await until('two messages', () => one.heard.length === 2);
    expect(one.heard).toEqual(['courier/device00/inbox/a {"key":"a"}', 'courier/device00/inbox b']);
    await one.close();
    await until('no subscription', () => site.nucleus.iotCore.filters.length === 0);
  });

  it('brings the component its own message back, and lets others answer', async () => {
    site.nucleus.iotCore.on('courier/device00/ask', ({ payload }) => {
      site.nucleus.iotCore.publish('courier/device00/answer', payload);
    });
    const own = await subscribe('courier/device00/self');
    const answers = await subscribe('courier/device00/answer');
    await publish('courier/device00/self', 'here');
    await publish('courier/device00/ask', 'what');
    await until('both', () => own.heard.length + answers.heard.length === 2);
    expect([own.heard, answers.heard]).toEqual([['courier/device00/self here'], ['courier/device00/answer what']]);
  });

  it('takes no subscription while the link is down', async () => {
    site.nucleus.iotCore.goDown();
    await rejectionOf(subscribe('a'));
    site.nucleus.iotCore.comeUp();
    await subscribe('a');
  });

  it('is silent on old subscriptions once the MQTT daemon started anew', async () => {
    const old = await subscribe('courier/device00/self');
    site.nucleus.iotCore.restartMqttDaemon();
    await publish('courier/device00/self', 'one');
    const fresh = await subscribe('courier/device00/self');
    await publish('courier/device00/self', 'two');
    await until('the new one heard', () => fresh.heard.length === 1);
    expect(old.heard).toEqual([]);
    expect(site.nucleus.ipc.connections).toBe(1);
    expect(site.nucleus.iotCore.published).toHaveLength(2);
  });
});

describe('size over lite', () => {
  beforeEach(() => start('lite'));
  const topic = 'courier/device00/status';

  it('takes 7,300 bytes; 7,400 end the connection, and the call is never settled', async () => {
    await publish(topic, Buffer.alloc(7_300));
    const disconnected = new Promise((resolve) => client.on('disconnection', resolve));
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    void publish(topic, Buffer.alloc(7_400)).then(settle, settle);
    await disconnected;
    await until('the connection is gone', () => site.nucleus.ipc.connections === 0);
    client = await site.connect();
    await publish(topic, 'later');
    expect(settled).toBe(false);
    expect(site.nucleus.iotCore.published.map(({ payload }) => payload.length)).toEqual([7_300, 5]);
  });

  it('loses larger messages on the way in', async () => {
    const { heard } = await subscribe(topic);
    expect(site.nucleus.iotCore.publish(topic, 'x'.repeat(4_800))).toBe(0);
    expect(site.nucleus.iotCore.publish(topic, 'x'.repeat(4_600))).toBe(1);
    await until('the smaller one', () => heard.length === 1);
    site.nucleus.switches.maxInboundBytes = undefined;
    expect(site.nucleus.iotCore.publish(topic, 'x'.repeat(4_800))).toBe(1);
  });
});

it('classic takes what lite does not', async () => {
  await start('classic');
  const { heard } = await subscribe('a');
  await publish('a', Buffer.alloc(100_000, 'x'));
  await until('it came back', () => heard[0]?.length === 100_002);
  await rejectionOf(publish('a', Buffer.alloc(128 * 1024 + 1)));
});

it('lite has ten unacknowledged publications, and refuses more', async () => {
  await start('lite', { acknowledgeAfterMs: 'never' });
  const burst = Array.from({ length: 12 }, (_, n) => publish('a', `${n}`));
  const outcomes = await Promise.allSettled(burst);
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(2);
  expect(site.nucleus.iotCore.published).toHaveLength(10);
  await publish('a', 'not counted', QOS.AT_MOST_ONCE);
  site.nucleus.iotCore.restartMqttDaemon();
  site.nucleus.switches.acknowledgeAfterMs = 5;
  for (let n = 0; n < 10; n++) await publish('a', `${n}`);
  await until('acknowledged', () =>
    publish('a', 'again').then(
      () => true,
      () => false,
    ),
  );
});

describe('while the link is down', () => {
  it('lite refuses at once', async () => {
    await start('lite');
    site.nucleus.iotCore.goDown();
    const { serviceError } = await rejectionOf(publish('a', 'lost'));
    expect(serviceError).toMatchObject({ _errorCode: 'ServiceError', _message: 'Failed to publish the message.' });
    site.nucleus.iotCore.comeUp();
    await publish('a', 'kept');
    expect(site.nucleus.iotCore.published.map(({ payload }) => `${payload}`)).toEqual(['kept']);
  });

  it('classic says yes, and delivers later what fits its spool', async () => {
    await start('classic', { spoolBytes: 10 });
    site.nucleus.iotCore.goDown();
    await publish('a', 'first');
    await publish('a', 'again');
    await rejectionOf(publish('a', 'full!'));
    await rejectionOf(publish('a', '', QOS.AT_MOST_ONCE));
    expect([site.nucleus.iotCore.spooled, site.nucleus.iotCore.published.length]).toEqual([2, 0]);
    site.nucleus.iotCore.comeUp();
    expect(site.nucleus.iotCore.published.map(({ payload }) => `${payload}`)).toEqual(['first', 'again']);
  });
});

describe.each([
  ['classic', 'courier/+/self', 'courier/device00/self', true],
  ['classic', 'courier/#', 'courier', true],
  ['classic', 'courier/*/self', 'courier/a/b/self', true],
  ['classic', '$aws/things/*/jobs/+/get', '$aws/things/device00/jobs/1/get', true],
  ['lite', '$aws/things/*/jobs/+/get', '$aws/things/device00/jobs/1/get', false],
  ['lite', 'courier/+/self', 'courier/device00/self', true],
  ['lite', 'courier/+/self', 'courier/a/b/self', false],
  ['lite', 'courier/*/self', 'courier/device00/other', false],
  ['lite', `courier/$${'{*}'}`, 'courier/*', true],
] as const)('%s: a recipe that lists %s', (kind, pattern, topicName, isAllowed) => {
  it(`${isAllowed ? 'allows' : 'refuses'} ${topicName}`, async () => {
    const policy = { operations: ['aws.greengrass#PublishToIoTCore'], resources: [pattern] };
    site = await NucleusSite.start({ kind, accessControl: { [MQTT_PROXY]: { one: policy } } });
    client = await site.connect();
    if (isAllowed) await publish(topicName, 'x');
    else {
      const { serviceError } = await rejectionOf(publish(topicName, 'x'));
      expect(serviceError).toMatchObject({ _errorCode: 'UnauthorizedError' });
    }
    await rejectionOf(subscribe(topicName));
  });
});
