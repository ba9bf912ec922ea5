import { join } from 'node:path';
import { MqttBus } from '../../src/aws/mqtt/mqtt-bus';
import { systemClock } from '../../src/clock';
import { Mosquitto } from '../engines/mosquitto';
import { Courier } from '../support/courier';
import { InboxSite } from '../support/inbox-site';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

const PULL = 'courier/device00/inbox/pull';
const RESULT = 'courier/device00/inbox/result';
const KEY = 'device00/inbox/a.txt';

const describeInstalled = Mosquitto.findMissing() === undefined ? describe : describe.skip;

/** A trigger, a file, a result: over a broker that is none of AWS's, by a certificate that opens S3 as well. */
describeInstalled('the inbox by way of mosquitto', () => {
  let site: InboxSite;
  let broker: Mosquitto;
  let operator: MqttBus;
  let results: string[];

  afterEach(async () => {
    await operator.stop();
    await site.end();
    await broker.stop();
  });

  /** @param acl what the device may, and nothing else */
  async function start(acl: readonly string[]): Promise<void> {
    site = await InboxSite.create();
    const { courier } = site;
    broker = await Mosquitto.start({
      clientCaFile: join(courier.dir, 'cloud', 'device-ca.pem'),
      acl: ['user device00', ...acl.map((line) => `topic ${line}`)].join('\n'),
    });
    courier.sections.mqtt = { endpoint: `localhost:${broker.port}`, caFile: broker.caFile };
    const { certificateFile, privateKeyFile } = await broker.createDevice('operator');
    operator = new MqttBus({
      host: 'localhost',
      port: broker.port,
      clientId: 'operator',
      keepAliveSeconds: 1200,
      certificateFile,
      privateKeyFile,
      caFile: broker.caFile,
      clock: systemClock,
      dice: () => 0,
      log: silentLog,
    }).start();
    await until('the operator is connected', () => operator.status.state === 'connected');
    results = [];
    await operator.subscribe('courier/#', (topic, payload) => {
      if (topic !== PULL) results.push(`${topic} ${payload}`);
    });
    await courier.start();
    await until(
      'the device listens and has looked',
      () => {
        const { inbox, messages } = courier.component.status();
        return inbox?.lastLookAtMs !== undefined && messages?.topics.includes(PULL) === true;
      },
      () => courier.component.status(),
    );
    await site.put(KEY, 'by mosquitto');
  }

  const state = () => site.courier.component.status().mqtt?.state;
  const archived = () => site.courier.keys().join() === 'device00/archive/a.txt';
  const ask = (payload: object) => operator.publish(PULL, Buffer.from(JSON.stringify(payload)));

  test('with the two topics it needs, a trigger brings the file, and its result is told', async () => {
    await start([`read ${PULL}`, `write ${RESULT}`]);
    await ask({ keys: [KEY], id: '7' });
    await until('archived', archived);
    await until('told', () => results.some((line) => line.includes('"archived"')));
    const [topic, text] = results[0]!.split(/ (.*)/s);
    expect(topic).toBe(RESULT);
    expect(JSON.parse(text!)).toMatchObject({
      thing: Courier.thing,
      results: [{ id: '7', event: 'archived', key: KEY, path: 'a.txt', archiveKey: 'device00/archive/a.txt' }],
    });
    expect(site.read('a.txt')).toBe('by mosquitto');
  });

  // Mosquitto acknowledges what it throws away: nobody can know.
  test('without the topic of results the file comes all the same, and nothing is heard or said', async () => {
    await start([`read ${PULL}`]);
    await ask({ keys: [KEY] });
    await until('archived', archived);
    await site.settled();
    await until('taken for delivered', () => waiting() === 0);
    expect(results).toEqual([]);
    expect(state()).toBe('connected');
  });

  // It acknowledges the subscription, too, and gives it nothing.
  test('without the topic of triggers the inbox is still looked through', async () => {
    await start([`write ${RESULT}`]);
    await operator.publish(PULL, Buffer.from('{}'));
    await site.courier.component.pull([]);
    await until('archived', archived);
    await until('told', () => results.length > 0);
    expect(site.read('a.txt')).toBe('by mosquitto');
  });

  const waiting = () => site.courier.component.status().messages?.stored;
});
