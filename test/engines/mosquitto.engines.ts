import { MqttBus } from '../../src/aws/mqtt/mqtt-bus';
import { systemClock } from '../../src/clock';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';
import { Mosquitto, type MosquittoDevice } from './mosquitto';

const describeInstalled = Mosquitto.findMissing() === undefined ? describe : describe.skip;

describeInstalled('mosquitto', () => {
  let broker: Mosquitto;
  let device: MosquittoDevice;
  let operator: MosquittoDevice;
  const buses: MqttBus[] = [];

  beforeAll(async () => {
    broker = await Mosquitto.start();
    device = await broker.createDevice('pump-1');
    operator = await broker.createDevice('operator');
  });
  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.stop()));
  });
  afterAll(() => broker.stop());

  async function connect({ name, certificateFile, privateKeyFile }: MosquittoDevice): Promise<MqttBus> {
    const bus = new MqttBus({
      host: 'localhost',
      port: broker.port,
      clientId: name,
      keepAliveSeconds: 1200,
      certificateFile,
      privateKeyFile,
      caFile: broker.caFile,
      clock: systemClock,
      dice: () => 0,
      log: silentLog,
    }).start();
    buses.push(bus);
    await until(
      'connected',
      () => bus.status.state === 'connected',
      () => bus.status,
    );
    return bus;
  }

  async function listen(bus: MqttBus, topic: string): Promise<string[]> {
    const heard: string[] = [];
    await bus.subscribe(topic, (from, payload) => heard.push(`${from} ${payload}`));
    return heard;
  }

  test('a trigger comes in and a result goes out', async () => {
    const [courier, person] = [await connect(device), await connect(operator)];
    const results = await listen(person, 'courier/+/inbox/result');
    let answered: Promise<void> | undefined;
    await courier.subscribe('courier/pump-1/inbox/pull', (_, payload) => {
      answered = courier.publish('courier/pump-1/inbox/result', Buffer.from(`got ${payload}`));
    });
    await person.publish('courier/pump-1/inbox/pull', Buffer.from('{"keys":["a"]}'));
    await until('the result', () => results.length > 0);
    await answered;
    expect(results).toEqual(['courier/pump-1/inbox/result got {"keys":["a"]}']);
  });

  test('a message of 128 KB passes', async () => {
    const courier = await connect(device);
    const payload = 'x'.repeat(128 * 1024);
    const heard = await listen(courier, 'courier/pump-1/large');
    await courier.publish('courier/pump-1/large', Buffer.from(payload));
    await until('heard', () => heard.length > 0);
    expect(heard[0]).toBe(`courier/pump-1/large ${payload}`);
  });

  test('what was published while the device was away is there when it comes back', async () => {
    const first = await connect(device);
    await listen(first, 'courier/pump-1/inbox/pull');
    await first.stop();
    const person = await connect(operator);
    await person.publish('courier/pump-1/inbox/pull', Buffer.from('kept'));
    const heard = await listen(await connect(device), 'courier/pump-1/inbox/pull');
    await until('heard', () => heard.length > 0);
    expect(heard).toEqual(['courier/pump-1/inbox/pull kept']);
  });

  test('it comes back when the broker has started anew, and subscribes again', async () => {
    const courier = await connect(device);
    let connections = 0;
    courier.onConnected(() => connections++);
    await broker.restart();
    await until('connected again', () => connections === 2);
    const heard = await listen(courier, 'courier/pump-1/inbox/pull');
    await courier.publish('courier/pump-1/inbox/pull', Buffer.from('x'));
    await until('heard', () => heard.length > 0);
  });

  // It does not hang up as IoT Core does: it acknowledges the message that it throws away, and the subscription that gets none.
  test("another device's topics stay closed, without a word", async () => {
    const [courier, person] = [await connect(device), await connect(operator)];
    const toOthers = await listen(person, 'courier/pump-2/#');
    const fromOthers = await listen(courier, 'courier/pump-2/inbox/pull');
    await courier.publish('courier/pump-2/inbox/result', Buffer.from('x'));
    await person.publish('courier/pump-2/inbox/pull', Buffer.from('y'));
    await until('its own', () => toOthers.length > 0);
    expect(toOthers).toEqual(['courier/pump-2/inbox/pull y']);
    expect(fromOthers).toEqual([]);
    expect(courier.status).toMatchObject({ state: 'connected', problems: [] });
  });
});
