import { systemClock } from '../../src/clock';
import { Subscriptions, type SubscriptionsOptions } from '../../src/messages/subscriptions';
import { ManualClock } from '../support/manual-clock';
import { notedLog } from '../support/noted-log';
import { MQTT_PROXY } from '../support/nucleus/access-control';
import { SkippingClock } from '../support/skipping-clock';
import { until } from '../support/until';
import { away, denied, HandBus } from './hand-bus';
import { IpcSite } from './ipc-site';

const SELF = 'courier/device00/self';
const MINUTE_MS = 60_000;
const SILENT = 'our own message did not come back, subscribing anew';

let subscriptions: Subscriptions | undefined;
let heard: string[];
let log: ReturnType<typeof notedLog>;

const begin = (options: Partial<SubscriptionsOptions> & Pick<SubscriptionsOptions, 'bus'>): Subscriptions => {
  subscriptions = new Subscriptions({
    selfTopic: SELF,
    proveEveryMs: 10 * MINUTE_MS,
    clock: systemClock,
    dice: () => 0,
    log,
    ...options,
  });
  for (const topic of ['a', 'b']) subscriptions.add(topic, (_, payload) => heard.push(`${topic}: ${payload}`));
  return subscriptions.start();
};

beforeEach(() => {
  heard = [];
  log = notedLog();
});
afterEach(async () => {
  await subscriptions?.stop();
  subscriptions = undefined;
});

describe('subscriptions on a bus in our hands', () => {
  let bus: HandBus;
  let clock: ManualClock;

  /** Time goes on until something holds, a second at a time. */
  const pass = async (what: string, holds: () => boolean, withinSeconds = 3_600): Promise<void> => {
    for (let i = 0; i < withinSeconds && !holds(); i++) {
      await clock.pass(1_000);
      await new Promise(setImmediate);
    }
    if (!holds()) throw new Error(`did not come within ${withinSeconds} s: ${what}`);
  };
  const echo = (topic: string, payload: Buffer): Promise<void> => {
    setImmediate(() => bus.deliver(topic, payload));
    return Promise.resolve();
  };
  const allHeld = (): boolean => [...bus.held.keys()].sort().join() === `a,b,${SELF}`;

  beforeEach(() => {
    bus = new HandBus();
    bus.onPublish = echo;
    clock = new ManualClock();
  });

  it('are held, and proved as often as said, no more', async () => {
    begin({ bus, clock });
    await until('proved', () => bus.published.length === 1);
    expect(subscriptions!.status).toEqual({ topics: ['a', 'b'], problems: [] });
    bus.deliver('a', Buffer.from('1'));
    expect(heard).toEqual(['a: 1']);
    await pass('an hour', () => bus.published.length === 7);
    expect(clock.monotonicMs()).toBeGreaterThan(59 * MINUTE_MS);
    expect(bus.subscribed).toEqual(['a', 'b', SELF]);
  });

  it('are made anew when our own message does not come back', async () => {
    begin({ bus, clock });
    await until('proved', () => bus.published.length === 1);
    bus.held.clear(); // silently dead
    await pass('made anew', () => bus.subscribed.length === 6, 11 * 60);
    expect(bus.closed).toEqual(['a', 'b', SELF]);
    await pass('proved again', () => bus.published.length === 3, 60);
    bus.deliver('b', Buffer.from('2'));
    expect(heard).toEqual(['b: 2']);
    expect(log.said(SILENT)).toHaveLength(1);
  });

  it('takes no other message for its own', async () => {
    bus.onPublish = (topic) => echo(topic, Buffer.from('of another process'));
    begin({ bus, clock });
    await pass('made anew', () => bus.subscribed.length === 6, 60);
  });

  it('are not made anew again and again where the way back stays shut', async () => {
    bus.onPublish = () => Promise.resolve();
    begin({ bus, clock });
    await pass('six hours', () => clock.monotonicMs() > 6 * 60 * MINUTE_MS, 6 * 3_600 + 60);
    expect(bus.subscribed.length / 3).toBeLessThan(40); // once in ten minutes and a half
    expect(log.said(SILENT)).toHaveLength(1);
  });

  it('stay while there is no way out', async () => {
    begin({ bus, clock });
    await until('proved', () => bus.published.length === 1);
    bus.onPublish = away;
    await pass('six hours', () => clock.monotonicMs() > 6 * 60 * MINUTE_MS, 6 * 3_600 + 60);
    expect(bus.subscribed).toHaveLength(3);
    expect(bus.published.length).toBeLessThan(200); // every five minutes at the latest, every two and a half at most
    bus.onPublish = echo;
    const asked = bus.published.length;
    await pass('proved again', () => bus.published.length > asked, 301);
    expect(log.said(SILENT)).toEqual([]);
  });

  it('go on without a proof where the self topic is not permitted, told once', async () => {
    bus.onSubscribe = (topic) => (topic === SELF ? denied(topic) : Promise.resolve());
    begin({ bus, clock });
    await until('held', () => subscriptions!.status.topics.length === 2);
    for (let hours = 0; hours < 20; hours++) await clock.pass(60 * MINUTE_MS);
    expect(bus.published).toEqual([]);
    expect(bus.subscribed.filter((topic) => topic === SELF)).toHaveLength(1);
    bus.connect();
    await until('made anew', () => subscriptions!.status.topics.length === 2 && bus.subscribed.length === 6);
    expect(log.said('not permitted')).toHaveLength(1);
    expect(subscriptions!.status.problems).toEqual([`${SELF} is not allowed; allow it`]);
  });

  it('go on where publishing to oneself is not permitted, told once, over connections', async () => {
    bus.onPublish = denied;
    begin({ bus, clock });
    await until('told', () => log.said('not permitted').length === 1);
    for (let i = 2; i <= 4; i++) {
      bus.connect();
      await until('asked again', () => bus.published.length === i);
    }
    for (let hours = 0; hours < 5; hours++) await clock.pass(60 * MINUTE_MS);
    expect(bus.published).toHaveLength(4);
    expect(bus.subscribed).toHaveLength(12);
    expect(log.lines.map(({ message }) => message)).toEqual(['not permitted']);
  });

  it('are made anew at a new connection, also in the middle of a proof', async () => {
    bus.onPublish = () => Promise.resolve(); // its answer went with the connection
    begin({ bus, clock });
    await until('asked', () => bus.published.length === 1);
    bus.onPublish = echo;
    bus.connect();
    await until('made anew', () => bus.subscribed.length === 6); // the clock stands still
    await until('proved', () => bus.published.length === 2);
    expect(log.said(SILENT)).toEqual([]);
  });

  it('are made anew when one ends, but not in a circle', async () => {
    begin({ bus, clock });
    await until('held', allHeld);
    bus.held.get('a')!.onEnded();
    bus.held.delete('a');
    expect(subscriptions!.status.topics).toEqual(['b']);
    await pass('held again', allHeld, 5);
    bus.onSubscribe = (topic) => {
      if (topic === 'a') setImmediate(() => bus.held.get('a')?.onEnded());
      return Promise.resolve();
    };
    bus.held.get('a')!.onEnded();
    const [fromMs, asked] = [clock.monotonicMs(), bus.subscribed.length];
    await pass('a minute', () => clock.monotonicMs() - fromMs >= MINUTE_MS);
    expect(bus.subscribed.length - asked).toBeLessThanOrEqual(61);
  });

  it('one that ends before it is there is not held for one that is', async () => {
    let ended = 0;
    const subscribe = bus.subscribe.bind(bus);
    bus.subscribe = (topic, onMessage, onEnded) => {
      if (topic === 'b' && ended++ === 0) onEnded();
      return subscribe(topic, onMessage, onEnded);
    };
    begin({ bus, clock });
    await pass('made anew', () => bus.subscribed.filter((topic) => topic === 'b').length === 2, 5);
    expect(subscriptions!.status.topics).toEqual(['a', 'b']);
  });

  it('are closed at the end, which waits for no proof, and no listener stays', async () => {
    bus.onPublish = () => Promise.resolve();
    begin({ bus, clock });
    await until('asked', () => bus.published.length === 1);
    await subscriptions!.stop(); // the clock stands still
    expect(bus.held.size).toBe(0);
    expect(bus.listeners.size).toBe(0);
    bus.connect();
    expect(bus.subscribed).toHaveLength(3);
  });
});

describe.each(['classic', 'lite'] as const)('subscriptions over the IPC of %s', (kind) => {
  let site: IpcSite;

  const attach = async (options: Partial<Parameters<typeof IpcSite.start>[0]> = {}): Promise<void> => {
    site = await IpcSite.start({ kind, ...options });
  };
  const filters = (): string => site.nucleus.iotCore.filters.sort().join();
  const hears = (text: string): Promise<void> =>
    until(`${text} heard`, () => {
      if (heard.includes(`a: ${text}`)) return true;
      site.nucleus.iotCore.publish('a', text);
      return false;
    });

  afterEach(async () => {
    await subscriptions?.stop();
    await site.end();
  });

  it('4: come alive again after the MQTT daemon was restarted', async () => {
    await attach();
    const clock = new SkippingClock();
    begin({ bus: site.cloud, clock });
    await hears('before');
    await until('proved', () => site.nucleus.iotCore.publishedTo(SELF).length === 1);
    site.nucleus.iotCore.restartMqttDaemon();
    expect(site.nucleus.iotCore.publish('a', 'lost')).toBe(0);
    await until('made anew', () => {
      const isMade = filters() === `a,b,${SELF}`;
      if (!isMade) clock.skip(MINUTE_MS);
      return isMade;
    });
    await hears('after');
    expect(filters()).toBe(`a,b,${SELF}`);
    expect(log.said(SILENT)).toHaveLength(1);
  });

  it('are made anew after each connection, once', async () => {
    await attach();
    begin({ bus: site.cloud });
    await hears('before');
    for (let i = 0; i < 2; i++) {
      site.nucleus.ipc.drop();
      await until('lost', () => site.nucleus.iotCore.filters.length === 0);
      await until('made anew', () => filters() === `a,b,${SELF}`);
    }
    await hears('after');
    expect(site.nucleus.ipc.asked('SubscribeToIoTCore')).toHaveLength(9);
  });

  it('are made when the link comes up, if it was down at first', async () => {
    await attach();
    site.nucleus.iotCore.goDown();
    begin({ bus: site.cloud });
    await until('asked', () => site.nucleus.ipc.asked('SubscribeToIoTCore').length > 0);
    site.nucleus.iotCore.comeUp();
    await hears('at last');
  });

  it('tell once which lines are missing for a topic, and hold the others', async () => {
    await attach({
      accessControl: {
        [MQTT_PROXY]: {
          'x:1': { operations: ['aws.greengrass#SubscribeToIoTCore'], resources: ['a', SELF] },
          'x:2': { operations: ['aws.greengrass#PublishToIoTCore'], resources: [SELF] },
        },
      },
    });
    begin({ bus: site.cloud });
    await hears('mine');
    await until('the other too', () => filters() === `a,${SELF}`, filters);
    site.nucleus.ipc.drop();
    await until('lost', () => site.nucleus.iotCore.filters.length === 0);
    await hears('again');
    const [line, ...more] = log.said('not permitted');
    expect(more).toEqual([]);
    expect(line!.reason).toContain('"operations":["aws.greengrass#SubscribeToIoTCore"],"resources":["b"]');
  });
});
