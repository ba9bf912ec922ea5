import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MqttBus } from '../../src/aws/mqtt/mqtt-bus';
import { type Clock, systemClock } from '../../src/clock';
import { MIGRATIONS } from '../../src/component/migrations';
import { Ledger } from '../../src/custody/ledger';
import { PublicationTable } from '../../src/messages/publication-table';
import { Publisher } from '../../src/messages/publisher';
import { Subscriptions } from '../../src/messages/subscriptions';
import type { LocalThing } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import {
  courierIotPolicy,
  credentialsOnlyIotPolicy,
  seedAIotPolicy,
  seedBIotPolicy,
  seedDIotPolicy,
} from '../local-cloud/seed-iot-policies';
import { MqttSite } from '../support/mqtt-site';
import { silentLog } from '../support/silent-log';
import { SkippingClock } from '../support/skipping-clock';
import { until } from '../support/until';

let site: MqttSite;
let dir: string;
let ledger: Ledger;
const parts: { stop(): Promise<void> }[] = [];

beforeEach(async () => {
  site = await MqttSite.start();
  dir = mkdtempSync(join(tmpdir(), 'over-mqtt-'));
  ledger = Ledger.open({ dir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
});
afterEach(async () => {
  for (const part of parts.splice(0)) await part.stop();
  await site.stop();
  ledger.close();
  rmSync(dir, { recursive: true });
});

function publisherOver(bus: MqttBus): {
  publisher: Publisher;
  store: (topic: string, payload: string) => Promise<void>;
} {
  const table = new PublicationTable(ledger);
  const publisher = new Publisher({
    table,
    buses: { cloud: bus },
    clock: systemClock,
    dice: () => 0,
    log: silentLog,
  }).start();
  parts.push(publisher);
  const store = async (topic: string, payload: string): Promise<void> => {
    await ledger.write(() => table.add({ channel: 'cloud', topic, payload: Buffer.from(payload) }));
    publisher.wake();
  };
  return { publisher, store };
}

function subscriptionsOver(bus: MqttBus, { name }: LocalThing, clock: Clock = systemClock): Subscriptions {
  const subscriptions = new Subscriptions({
    bus,
    selfTopic: `courier/${name}/self`,
    proveEveryMs: 3_600_000,
    clock,
    dice: () => 0,
    log: silentLog,
  }).start();
  parts.push(subscriptions);
  return subscriptions;
}

const payloads = (topic: string): string[] => site.cloud.mqtt.publishedTo(topic).map(({ payload }) => `${payload}`);

describe('stored messages', () => {
  it('are published when the cloud is back, each once, and forgotten', async () => {
    const thing = await site.createThing('pump', courierIotPolicy(site.cloud));
    const bus = await site.connectedBus(thing);
    const { publisher, store } = publisherOver(bus);
    await site.cloud.goOffline();
    await until('lost', () => bus.status.state !== 'connected');
    for (let i = 0; i < 20; i++) await store('courier/pump/inbox/result', `${i}`);
    await site.cloud.goOnline();
    await until(
      'all out',
      () => publisher.status.stored === 0,
      () => publisher.status,
    );
    expect(payloads('courier/pump/inbox/result').sort()).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`).sort());
  });

  it('for a topic that is not permitted stay, and hold up no other', async () => {
    const thing = await site.createThing('pump', courierIotPolicy(site.cloud));
    const { publisher, store } = publisherOver(await site.connectedBus(thing));
    await store('elsewhere', 'x');
    for (let i = 0; i < 10; i++) await store('courier/pump/inbox/result', `${i}`);
    await until(
      'the others out',
      () => publisher.status.stored === 1,
      () => publisher.status,
    );
    await until('told', () => publisher.status.problems.length === 1);
    expect(publisher.status.problems[0]).toMatch(/allow iot:Publish on .*topic\/elsewhere in/);
    expect(new Set(payloads('courier/pump/inbox/result')).size).toBe(10);
    expect(site.cloud.mqtt.denials).toHaveLength(2);
  });
});

describe('subscriptions', () => {
  it('hear triggers, also after the connection was lost', async () => {
    const thing = await site.createThing('pump', courierIotPolicy(site.cloud));
    const bus = await site.connectedBus(thing);
    const subscriptions = subscriptionsOver(bus, thing);
    const heard: string[] = [];
    subscriptions.add('courier/pump/inbox/pull', (_, payload) => heard.push(`${payload}`));
    await until('subscribed', () => subscriptions.status.topics.length === 1);
    await site.cloud.mqtt.publish('courier/pump/inbox/pull', '1');
    await until('the first', () => heard.includes('1'));
    site.cloud.mqtt.dropAll();
    await until('lost', () => bus.status.state !== 'connected');
    await site.cloud.mqtt.publish('courier/pump/inbox/pull', '2');
    await until('the second', () => heard.includes('2'));
    await until('subscribed anew', () => subscriptions.status.topics.length === 1);
    await site.cloud.mqtt.publish('courier/pump/inbox/pull', '3');
    await until('the third', () => heard.includes('3'));
    expect([...new Set(heard)]).toEqual(['1', '2', '3']); // at least once
    expect(subscriptions.status.problems).toEqual([]);
  });

  it('that are dead while publishing works are made anew', async () => {
    const clock = new SkippingClock();
    const thing = await site.createThing('pump', courierIotPolicy(site.cloud));
    site.cloud.mqtt.faults.isSilent = true;
    const bus = await site.connectedBus(thing, { clock });
    const heard: string[] = [];
    const subscriptions = subscriptionsOver(bus, thing, clock);
    subscriptions.add('courier/pump/inbox/pull', (_, payload) => heard.push(`${payload}`));
    const proofs = (): number => payloads('courier/pump/self').length;
    await until('the first proof', () => proofs() === 1);
    site.cloud.mqtt.faults.isSilent = false;
    await until('another proof, over new subscriptions', () => {
      clock.skip(1_000);
      return proofs() === 2;
    });
    await site.cloud.mqtt.publish('courier/pump/inbox/pull', 'x');
    await until('heard', () => heard.length === 1);
  });
});

describe("the seeds' own policies are enough, and what they leave out is told", () => {
  type Outcome = 'ok' | 'denied' | 'off';

  const seeds: Record<string, { policy: (name: string) => PolicyDocument; expected: Record<string, Outcome> }> = {
    A: {
      policy: () => seedAIotPolicy(site.cloud, 'alias'),
      expected: { 'publish courier/A/inbox/result': 'ok', 'subscribe courier/A/inbox/pull': 'denied' },
    },
    B: {
      policy: (name) => seedBIotPolicy(site.cloud, name),
      expected: {
        'publish B/token/req': 'ok',
        'subscribe B/token/res': 'ok',
        'subscribe courier/B/inbox/pull': 'denied',
      },
    },
    C: {
      policy: () => credentialsOnlyIotPolicy(site.cloud, 'alias'),
      expected: { 'subscribe courier/C/inbox/pull': 'off' },
    },
    D: {
      policy: (name) => seedDIotPolicy(site.cloud, name),
      expected: {
        'publish $aws/things/D/jobs/start-next': 'ok',
        'subscribe $aws/things/D/jobs/notify-next': 'ok',
        'subscribe courier/D/inbox/pull': 'denied',
      },
    },
    E: {
      policy: () => credentialsOnlyIotPolicy(site.cloud, 'alias'),
      expected: { 'publish courier/E/inbox/result': 'off' },
    },
    ours: {
      policy: () => courierIotPolicy(site.cloud),
      expected: { 'publish courier/ours/inbox/result': 'ok', 'subscribe courier/ours/inbox/pull': 'ok' },
    },
  };

  async function outcomeOf(bus: MqttBus, what: string): Promise<Outcome> {
    const [verb, topic] = what.split(' ') as [string, string];
    let outcome: Outcome | undefined;
    await until(what, async () => {
      try {
        if (verb === 'publish') await bus.publish(topic, Buffer.from('{}'));
        else await bus.subscribe(topic, () => undefined);
        outcome = 'ok';
      } catch (error) {
        if ((error as { code?: string }).code === 'MESSAGE_DENIED') outcome = 'denied';
        else if (bus.status.state === 'off') outcome = 'off';
      }
      return outcome !== undefined;
    });
    return outcome!;
  }

  it('for each of them at once', async () => {
    const found = await Promise.all(
      Object.entries(seeds).map(async ([name, { policy, expected }]) => {
        const bus = site.bus(await site.createThing(name, policy(name)));
        const outcomes: Record<string, Outcome> = {};
        for (const what of Object.keys(expected)) outcomes[what] = await outcomeOf(bus, what);
        const told = bus.status.state === 'off' ? [bus.status.reason] : bus.status.problems;
        const untold = Object.values(outcomes).filter((outcome) => outcome !== 'ok').length - told.length;
        return [name, { outcomes, untold }];
      }),
    );
    expect(Object.fromEntries(found)).toEqual(
      Object.fromEntries(
        Object.entries(seeds).map(([name, { expected }]) => [name, { outcomes: expected, untold: 0 }]),
      ),
    );
  });
});
