import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import { courierIotPolicy, credentialsOnlyIotPolicy, seedAIotPolicy } from '../local-cloud/seed-iot-policies';
import { seedAPolicy, seedCPolicy, seedEPolicy } from '../local-cloud/seed-policies';
import { Courier } from '../support/courier';
import { InboxSite } from '../support/inbox-site';
import { until } from '../support/until';

/** The inbox with a connection of its own, by the how-tos' policies as they stand. */
describe('the inbox and its messages', () => {
  let site: InboxSite;

  const begin = async (
    policy: PolicyDocument,
    iotPolicy: (cloud: LocalCloud) => PolicyDocument,
    inbox: object = {},
  ): Promise<LocalCloud> => {
    site = await InboxSite.create({ policy, inbox: { pollMinutes: 0.002, ...inbox } });
    const { cloud } = site.courier;
    await cloud.createThing(Courier.thing, { certificatePolicy: iotPolicy(cloud) });
    cloud.createBucket(Courier.bucket, { notifiesInbox: true });
    site.courier.sections.mqtt = { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile };
    await site.courier.start();
    return cloud;
  };
  const status = () => site.courier.component.status();

  afterEach(() => site.end());

  it('seed A: may connect and publish, hears nothing, and finds by looking', async () => {
    const cloud = await begin(seedAPolicy(Courier.bucket), (whose) => seedAIotPolicy(whose, 'courier'));
    await site.put('device00/inbox/a.txt', 'hello');
    await until('archived', () => site.courier.keys().includes('device00/archive/a.txt'));
    await until('a result', () => cloud.mqtt.publishedTo('courier/device00/inbox/result').length > 0);
    await until(
      'told',
      () => status().messages?.problems.some((one) => one.includes('iot:Subscribe')) === true,
      status,
    );
    expect(
      site.courier.logs.filter(({ message, topic }) => message === 'not permitted' && topic?.endsWith('/pull')),
    ).toHaveLength(1);
  });

  it('seed C: not even iot:Connect, one key at the root', async () => {
    await begin(seedCPolicy(Courier.bucket), (whose) => credentialsOnlyIotPolicy(whose, 'courier'), {
      keys: ['hoge.txt'],
    });
    await site.put('hoge.txt', 'hello');
    await until('landed', () => existsSync(join(site.folder, 'hoge.txt')));
    await until('mqtt is off', () => status().mqtt?.state === 'off', status);
    expect(status().mqtt?.reason).toContain('iot:Connect');
  });

  it('seed E: not even iot:Connect, its own folder', async () => {
    await begin(seedEPolicy(Courier.bucket), (whose) => credentialsOnlyIotPolicy(whose, 'courier'));
    await site.put('device00/inbox/a.txt', 'hello');
    await until('archived', () => site.courier.keys().includes('device00/archive/a.txt'));
    await until('mqtt is off', () => status().mqtt?.state === 'off', status);
  });

  it("with the component's own policy the account's notifier brings an object down", async () => {
    const cloud = await begin(seedEPolicy(Courier.bucket), courierIotPolicy, { pollMinutes: 0 });
    await until('subscribed', () => status().messages?.topics.includes('courier/device00/inbox/pull') === true, status);
    await until('looked', () => status().inbox?.lastLookAtMs !== undefined);
    await site.put('device00/inbox/a+b c.txt', 'hello');
    await until('archived', () => site.courier.keys().includes('device00/archive/a+b c.txt'), status);
    await until('a result', () => cloud.mqtt.publishedTo('courier/device00/inbox/result').length > 0);
    const [message] = cloud.mqtt.publishedTo('courier/device00/inbox/result');
    expect(JSON.parse(message!.payload.toString())).toMatchObject({
      thing: 'device00',
      results: [{ event: 'archived', key: 'device00/inbox/a+b c.txt', path: 'a+b c.txt', verified: 'crc32' }],
    });
  });
});
