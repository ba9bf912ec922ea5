import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import { MIGRATIONS } from '../../src/component/migrations';
import { Ledger } from '../../src/custody/ledger';
import { type Channel, MAX_PAYLOAD_BYTES } from '../../src/messages/bus';
import { PublicationTable } from '../../src/messages/publication-table';
import { Publisher, type PublisherOptions } from '../../src/messages/publisher';
import { ManualClock } from '../support/manual-clock';
import { notedLog } from '../support/noted-log';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';
import { away, denied, HandBus } from './hand-bus';
import { IpcSite } from './ipc-site';

const HOUR_MS = 3_600_000;

describe('the publisher', () => {
  let dir: string;
  let ledger: Ledger;
  let table: PublicationTable;
  let publisher: Publisher | undefined;

  const openLedger = (): void => {
    ledger = Ledger.open({ dir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
    table = new PublicationTable(ledger);
  };
  const store = (count: number, topic = 't', channel: Channel = 'local'): Promise<void> =>
    ledger.write(() => {
      for (let i = 0; i < count; i++) table.add({ channel, topic, payload: Buffer.from(String(i)) });
    });
  const begin = (options: Partial<PublisherOptions> & Pick<PublisherOptions, 'buses'>): Publisher => {
    publisher = new Publisher({ table, clock: systemClock, dice: () => 0, log: silentLog, ...options });
    return publisher.start();
  };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'publisher-'));
    openLedger();
  });
  afterEach(async () => {
    await publisher?.stop();
    publisher = undefined;
    ledger.close();
    rmSync(dir, { recursive: true, force: true });
  });

  describe('over a bus in our hands', () => {
    let bus: HandBus;

    beforeEach(() => {
      bus = new HandBus();
    });

    it('has five messages under way, no more and no fewer', async () => {
      const release: (() => void)[] = [];
      bus.onPublish = () => new Promise((resolve) => release.push(resolve));
      await store(12);
      begin({ buses: { local: bus } });
      await until('five asked', () => release.length === 5);
      while (table.stored > 0 || bus.inFlight > 0) {
        release.shift()?.();
        await new Promise(setImmediate);
      }
      expect(bus.mostInFlight).toBe(5);
      expect(bus.published).toHaveLength(12);
    });

    it('keeps what an interruption leaves, asks no more, and goes on after the pause', async () => {
      const clock = new ManualClock();
      bus.onPublish = (_, payload) => (payload.toString() === '7' ? away() : Promise.resolve());
      await store(20);
      begin({ buses: { local: bus }, clock });
      await until('interrupted', () => bus.inFlight === 0 && table.stored <= 13);
      const asked = bus.published.length;
      expect(asked).toBeLessThanOrEqual(12); // 0 to 7, and those that were under way beside it
      publisher!.wake(); // a new message does not make it ask sooner
      await new Promise(setImmediate);
      expect(bus.published).toHaveLength(asked);
      bus.onPublish = () => Promise.resolve();
      await until('all taken', async () => {
        await clock.pass(1_000);
        return table.stored === 0;
      });
    });

    it('asks a bus that is away less and less often', async () => {
      const clock = new ManualClock();
      bus.onPublish = away;
      await store(100);
      begin({ buses: { local: bus }, clock });
      await until('asked', () => bus.published.length > 0);
      for (let seconds = 0; seconds < 3_600; seconds++) {
        await clock.pass(1_000);
        await new Promise(setImmediate);
      }
      // Some ten on the way to a pause of half a minute at least, and then two a minute; each asks for a few at once.
      expect(bus.published.length).toBeGreaterThan(60);
      expect(bus.published.length).toBeLessThan((HOUR_MS / 30_000 + 10) * 5);
      expect(table.stored).toBe(100);
    });

    it('asks nothing of anybody while nothing waits', async () => {
      const clock = new ManualClock();
      await store(3);
      begin({ buses: { local: bus }, clock });
      await until('taken', () => table.stored === 0);
      await clock.pass(100 * HOUR_MS);
      for (let i = 0; i < 50; i++) publisher!.wake();
      await new Promise(setImmediate);
      expect(bus.published).toHaveLength(3);
    });

    it('tells of a denied topic once, goes on with the others, and tries it again after a day', async () => {
      const clock = new ManualClock();
      const log = notedLog();
      bus.onPublish = (topic) => (topic === 'forbidden' ? denied(topic) : Promise.resolve());
      await store(30, 'forbidden');
      await store(30, 'allowed');
      begin({ buses: { local: bus }, clock, log });
      await until('the others are taken', () => table.stored === 30);
      const tries = (): number => bus.published.filter((topic) => topic === 'forbidden').length;
      expect(tries()).toBeLessThanOrEqual(5); // those under way at once, which nobody could know of
      expect(publisher!.status.problems).toEqual(['forbidden is not allowed; allow it']);
      const before = tries();
      for (let hour = 0; hour < 23; hour++) await clock.pass(HOUR_MS);
      await store(1, 'allowed');
      publisher!.wake();
      await until('still goes on', () => table.stored === 30);
      expect(tries()).toBe(before);
      bus.onPublish = () => Promise.resolve();
      await until('tried again', async () => {
        await clock.pass(HOUR_MS);
        return table.stored === 0;
      });
      expect(log.said('not permitted')).toHaveLength(1);
      expect(log.said('permitted now')).toHaveLength(1);
      expect(publisher!.status.problems).toEqual([]);
    });

    it('tries a denied topic again after a reconnection', async () => {
      const clock = new ManualClock();
      bus.onPublish = denied;
      await store(2);
      begin({ buses: { local: bus }, clock });
      await until('denied', () => publisher!.status.problems.length === 1);
      bus.onPublish = () => Promise.resolve();
      bus.connect();
      await until('taken', () => table.stored === 0);
    });

    it('does not wait out its pause after a reconnection', async () => {
      const clock = new ManualClock(); // which stands still
      bus.onPublish = away;
      await store(5);
      begin({ buses: { local: bus }, clock });
      await until('interrupted', () => bus.published.length > 0 && bus.inFlight === 0);
      bus.onPublish = () => Promise.resolve();
      bus.connect();
      await until('taken', () => table.stored === 0);
    });

    it('keeps at most 10,000 messages, the newest, and says how many went', async () => {
      const log = notedLog();
      bus.onPublish = away;
      await ledger.write(() => {
        for (let i = 0; i < 10_025; i++) table.add({ channel: 'local', topic: 't', payload: Buffer.from(String(i)) });
      });
      begin({ buses: { local: bus }, clock: new ManualClock(), log });
      await until('dropped', () => publisher!.status.dropped === 25);
      expect(publisher!.status.stored).toBe(10_000);
      expect(table.oldest(1, 'local', [])[0]!.payload.toString()).toBe('25');
      expect(log.said('the oldest stored messages are dropped, nobody has taken them')).toMatchObject([{ count: 25 }]);
    });

    it('leaves messages of a channel alone that has no bus here', async () => {
      await store(3, 't', 'cloud');
      await store(3);
      begin({ buses: { local: bus } });
      await until('its own are taken', () => table.stored === 3);
      expect(bus.published).toHaveLength(3);
      expect(table.oldest(10, 'cloud', [])).toHaveLength(3);
    });

    it('sends on the device while the cloud is away, whatever waits for it', async () => {
      const cloud = new HandBus();
      cloud.onPublish = away;
      await store(300, 'report', 'cloud'); // before the others, and more than is read at a time
      await store(10);
      begin({ buses: { local: bus, cloud }, clock: new ManualClock() });
      await until('those of the device are taken', () => table.stored === 300);
    });

    it('sends on the device while the cloud does not answer', async () => {
      const cloud = new HandBus();
      let release = (): void => undefined;
      cloud.onPublish = () =>
        new Promise((resolve) => {
          release = resolve;
        });
      await store(1, 'report', 'cloud');
      await store(10);
      begin({ buses: { local: bus, cloud } });
      await until('those of the device are taken', () => table.stored === 1);
      release();
    });

    it('stops when what is under way has ended, and forgets that', async () => {
      const release: (() => void)[] = [];
      bus.onPublish = () => new Promise((resolve) => release.push(resolve));
      await store(20);
      begin({ buses: { local: bus } });
      await until('five asked', () => release.length === 5);
      let hasStopped = false;
      const stopped = publisher!.stop().then(() => {
        hasStopped = true;
      });
      await new Promise(setImmediate);
      expect(hasStopped).toBe(false);
      for (const one of release) one();
      await stopped;
      expect(bus.published).toHaveLength(5);
      expect(table.stored).toBe(15);
    });

    it('leaves no listener behind', async () => {
      for (let i = 0; i < 3; i++) await begin({ buses: { local: bus } }).stop();
      expect(bus.listeners.size).toBe(0);
    });

    it('ends with an error when the ledger breaks, rather than in silence', async () => {
      await store(1);
      bus.onPublish = () => {
        ledger.db.exec('DROP TABLE publication');
        return Promise.resolve();
      };
      // By its message: the class of the error is that of whichever test file loaded the database first.
      await expect(begin({ buses: { local: bus } }).finished).rejects.toMatchObject({
        message: expect.stringContaining('no such table') as string,
      });
    });
  });

  describe.each(['classic', 'lite'] as const)('over the IPC of %s', (kind) => {
    let site: IpcSite;

    beforeEach(async () => {
      site = await IpcSite.start({ kind });
    });
    afterEach(async () => {
      await publisher?.stop();
      await site.end();
    });

    const told = (): Set<string> => new Set(site.nucleus.topics.published.map(({ message }) => String(message)));

    it('loses none over a connection that drops in the middle', async () => {
      await store(200);
      begin({ buses: { local: site.local } });
      for (const share of [20, 100]) {
        await until(`${share} arrived`, () => told().size >= share);
        site.nucleus.ipc.drop();
      }
      await until('none stored', () => table.stored === 0);
      expect(told().size).toBe(200);
    });

    it('sends again after a restart what was not known to be taken', async () => {
      site.nucleus.switches.hanging.add('PublishToTopic');
      await store(8);
      begin({ buses: { local: site.local } });
      await until('asked', () => site.nucleus.ipc.asked('PublishToTopic').length === 5);
      await site.connection.stop(); // calls under way end at once
      await publisher!.stop();
      ledger.close();
      openLedger();
      expect(table.stored).toBe(8);
      site.nucleus.switches.hanging.clear();
      await site.end();
      site = await IpcSite.start({ kind });
      begin({ buses: { local: site.local } });
      await until('all told', () => told().size === 8 && table.stored === 0);
    });

    it('gets a burst of messages through to the cloud, however many it takes at once', async () => {
      await store(60, 'report', 'cloud');
      begin({ buses: { cloud: site.cloud } });
      await until('all arrived', () => table.stored === 0);
      expect(site.nucleus.iotCore.published.map(({ payload }) => String(payload)).sort()).toEqual(
        Array.from({ length: 60 }, (_, i) => String(i)).sort(),
      );
    });

    it('keeps what is for the cloud while the link is down, as far as the nucleus does not', async () => {
      site.nucleus.iotCore.goDown();
      await store(20, 'report', 'cloud');
      await store(20);
      begin({ buses: { local: site.local, cloud: site.cloud } });
      await until('those of the device are taken', () => told().size === 20);
      if (kind === 'lite') expect(table.stored).toBeGreaterThanOrEqual(20);
      else await until('spooled', () => site.nucleus.iotCore.spooled === 20);
      site.nucleus.iotCore.comeUp();
      await until('all arrived', () => site.nucleus.iotCore.published.length >= 20 && table.stored === 0);
    });
  });

  it('a topic that the nucleus takes for none is told once, and holds up no other', async () => {
    const site = await IpcSite.start({ kind: 'classic' });
    const log = notedLog();
    await store(3, 'my/#');
    await store(3, 'fine');
    begin({ buses: { local: site.local }, log });
    await until('the others are taken', () => table.stored === 3);
    expect(log.said('not permitted')).toMatchObject([{ reason: expect.stringContaining('my/#') as string }]);
    await publisher!.stop();
    await site.end();
  });

  it('a message too large for any bus does not get into the ledger', async () => {
    const add = (bytes: number): Promise<void> =>
      ledger.write(() => table.add({ channel: 'local', topic: 't', payload: Buffer.alloc(bytes) }));
    await expect(add(MAX_PAYLOAD_BYTES + 1)).rejects.toThrow('at most 4096 pass');
    await add(MAX_PAYLOAD_BYTES);
    expect(table.stored).toBe(1);
  });
});
