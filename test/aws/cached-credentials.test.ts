import { CachedCredentials } from '../../src/aws/credentials/cached-credentials';
import { ManualClock } from '../support/manual-clock';

function setUp(lifetimeMs: number) {
  const clock = new ManualClock();
  const issuer = { calls: 0, fails: false };
  const cache = new CachedCredentials({
    fetch: async () => {
      issuer.calls += 1;
      if (issuer.fails) throw new Error('unreachable');
      return { credentials: { accessKeyId: 'a', secretAccessKey: 's', sessionToken: `t${issuer.calls}` }, lifetimeMs };
    },
    probeMaxMs: 900_000,
    clock,
    dice: () => 0.5,
  });
  return { clock, issuer, cache };
}

describe('cached credentials', () => {
  it('are asked for once by all who need them at once, and only when needed', async () => {
    const { clock, issuer, cache } = setUp(3_600_000);
    expect(cache.expiresInSeconds).toBeUndefined();
    await Promise.all([cache.get(), cache.get(), cache.get()]);
    await clock.pass(3_000_000);
    await cache.get();
    expect(issuer.calls).toBe(1);
    await clock.pass(86_400_000);
    expect(issuer.calls).toBe(1);
  });

  it('are renewed before they end, five minutes at most', async () => {
    const { clock, issuer, cache } = setUp(3_600_000);
    await cache.get();
    await clock.pass(3_600_000 - 299_000);
    expect((await cache.get()).sessionToken).toBe('t1'); // nobody waits for the new ones
    await clock.pass(0);
    expect((await cache.get()).sessionToken).toBe('t2');
    expect(issuer.calls).toBe(2);
  });

  it('of a short life are renewed within their last fifth', async () => {
    const { clock, issuer, cache } = setUp(10_000);
    await cache.get();
    await clock.pass(7_900);
    await cache.get();
    expect(issuer.calls).toBe(1);
    await clock.pass(200);
    await cache.get();
    expect(issuer.calls).toBe(2);
  });

  it('that still hold are used when a renewal fails, and not a moment longer', async () => {
    const { clock, issuer, cache } = setUp(10_000);
    await cache.get();
    issuer.fails = true;
    await clock.pass(9_000);
    for (let i = 0; i < 10; i++) expect((await cache.get()).sessionToken).toBe('t1');
    await clock.pass(0);
    expect(issuer.calls).toBe(2); // not by each who asks
    await clock.pass(1_000);
    await expect(cache.get()).rejects.toThrow('unreachable');
  });

  it('that S3 refuses are dropped once, not those that came since', async () => {
    const { issuer, cache } = setUp(3_600_000);
    const first = await cache.get();
    cache.invalidate(first);
    const second = await cache.get();
    expect(second.sessionToken).toBe('t2');
    cache.invalidate(first);
    await cache.get();
    expect(issuer.calls).toBe(2);
  });

  it('do not care about the wall clock', async () => {
    const { clock, issuer, cache } = setUp(3_600_000);
    await cache.get();
    clock.stepWall(10 * 365 * 86_400_000);
    await cache.get();
    expect(issuer.calls).toBe(1);
  });
});
