import { Link } from '../../src/link/link';
import { ServerClock } from '../../src/link/server-clock';
import { ManualClock } from '../support/manual-clock';
import { silentLog } from '../support/silent-log';

describe('the link', () => {
  function setUp() {
    const clock = new ManualClock();
    const world = { reachable: false, probes: 0, ups: 0 };
    const probe = async (): Promise<void> => {
      world.probes += 1;
      if (!world.reachable) throw new Error('ECONNREFUSED');
    };
    const link = new Link(
      { s3: probe, credentials: probe },
      { baseMs: 1_000, capMs: 8_000 },
      clock,
      () => 1,
      silentLog,
      () => {
        world.ups += 1;
      },
    );
    return { clock, world, link };
  }

  it('is asked once for all who doubt it, then once per pause, until it is up', async () => {
    const { clock, world, link } = setUp();
    expect(await Promise.all([link.verify('s3'), link.verify('s3'), link.verify('credentials')])).toEqual([
      'down',
      'down',
      'down',
    ]);
    expect(world.probes).toBe(1);
    expect(await link.verify('s3')).toBe('down');
    expect(world.probes).toBe(1);
    for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 8_000]) {
      const before = world.probes;
      await clock.pass(pauseMs - 1);
      expect(world.probes).toBe(before);
      await clock.pass(1);
      expect(world.probes).toBe(before + 1);
    }
    world.reachable = true;
    await clock.pass(8_000);
    expect(link.status).toEqual({ state: 'up' });
    expect(world.ups).toBe(1);
    await link.stop();
  });

  it('is not to blame when it answers', async () => {
    const { world, link } = setUp();
    world.reachable = true;
    expect(await link.verify('s3')).toBe('up');
    expect(link.status.state).toBe('up');
    await link.stop();
  });

  it('stops in the middle of a pause', async () => {
    const { link } = setUp();
    await link.verify('s3');
    await link.stop();
  });
});

describe("the cloud's clock", () => {
  it.each([
    { localAheadMs: 0, offsetMs: 0 },
    { localAheadMs: 200_000, offsetMs: 0 },
    { localAheadMs: 3_600_000, offsetMs: -3_600_000 },
    { localAheadMs: -20 * 365 * 86_400_000, offsetMs: 20 * 365 * 86_400_000 },
  ])('is known to differ by $offsetMs when ours is ahead by $localAheadMs', ({ localAheadMs, offsetMs }) => {
    const clock = new ManualClock();
    const server = new ServerClock(clock);
    server.learn(new Date(clock.nowMs() - localAheadMs).toUTCString());
    expect(server.offsetMs).toBe(offsetMs);
    server.learn(undefined);
    server.learn('yesterday');
    expect(server.offsetMs).toBe(offsetMs);
  });
});
