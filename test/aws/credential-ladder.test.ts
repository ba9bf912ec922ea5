import { CachedCredentials } from '../../src/aws/credentials/cached-credentials';
import { CredentialLadder } from '../../src/aws/credentials/credential-ladder';
import { type ErrorCode, TransferError } from '../../src/domain/errors';
import { ManualClock } from '../support/manual-clock';

const MINUTE_MS = 60_000;
const PROBE_MAX_MS = 15 * MINUTE_MS;

/** Sources in the test's hands: each gives tokens, or fails by a code. */
function setUp(...names: string[]) {
  const clock = new ManualClock();
  const moves: string[] = [];
  const sources = names.map((name) => ({
    name,
    calls: 0,
    fails: undefined as ErrorCode | undefined,
    lifetimeMs: 60 * MINUTE_MS,
  }));
  const rungs = sources.map((source) => ({
    name: source.name,
    cache: new CachedCredentials({
      fetch: async () => {
        source.calls++;
        if (source.fails !== undefined) throw new TransferError(source.fails, `${source.name} fails; do something`);
        const credentials = { accessKeyId: 'a', secretAccessKey: 's', sessionToken: `${source.name}${source.calls}` };
        return { credentials, lifetimeMs: source.lifetimeMs };
      },
      probeMaxMs: PROBE_MAX_MS,
      clock,
      dice: () => 0.5,
    }),
  }));
  const ladder = new CredentialLadder({
    rungs,
    probeMaxMs: PROBE_MAX_MS,
    clock,
    dice: () => 0.5,
    onMoved: (name, reason) => moves.push(`${name}: ${reason ?? 'again'}`),
  });
  const token = async (): Promise<string> => (await ladder.get()).sessionToken;
  return { clock, sources, ladder, token, moves };
}

describe('a source that fails', () => {
  it.each<[ErrorCode, most: number]>([
    ['CREDENTIALS_REFUSED', 110],
    ['CREDENTIALS_UNWELL', 110],
  ])('%s: is asked once in a pause that grows to 15 minutes, however many ask', async (code, most) => {
    const { clock, sources, token } = setUp('one');
    sources[0]!.fails = code;
    const DAY_SECONDS = 86_400;
    for (let second = 0; second < DAY_SECONDS; second += 30) {
      await expect(token()).rejects.toMatchObject({ code, message: 'one fails; do something' });
      await clock.pass(30_000);
    }
    expect(sources[0]!.calls).toBeLessThanOrEqual(most + 30);
    expect(sources[0]!.calls).toBeGreaterThan(90);
    sources[0]!.fails = undefined;
    await clock.pass(PROBE_MAX_MS);
    expect(await token()).toMatch(/^one/);
  });

  it('asks again soon when it is the clock, which costs nothing', async () => {
    const { clock, sources, token } = setUp('one');
    sources[0]!.fails = 'CLOCK_WRONG';
    for (let i = 0; i < 100; i++) {
      await expect(token()).rejects.toMatchObject({ code: 'CLOCK_WRONG' });
      await clock.pass(MINUTE_MS);
    }
    sources[0]!.fails = undefined;
    await clock.pass(10_000);
    expect(await token()).toMatch(/^one/);
  });

  it('that hands out again what S3 takes for expired is asked no more often', async () => {
    const clock = new ManualClock();
    let calls = 0;
    const same = { accessKeyId: 'a', secretAccessKey: 's', sessionToken: 't' };
    const cache = new CachedCredentials({
      fetch: async () => {
        calls++;
        return { credentials: same, lifetimeMs: 60 * MINUTE_MS };
      },
      probeMaxMs: PROBE_MAX_MS,
      clock,
      dice: () => 0.5,
    });
    cache.invalidate(await cache.get());
    for (let i = 0; i < 100; i++) await expect(cache.get()).rejects.toMatchObject({ code: 'CREDENTIALS_UNWELL' });
    expect(calls).toBe(2);
  });
});

describe('a ladder', () => {
  it.each<ErrorCode>(['CREDENTIALS_REFUSED', 'CREDENTIALS_UNREACHABLE', 'CLOCK_WRONG'])(
    'goes on to the next at once where the first cannot answer: %s',
    async (code) => {
      const { sources, ladder, token, moves } = setUp('one', 'two');
      sources[0]!.fails = code;
      expect(await token()).toBe('two1');
      expect(ladder.inUse.name).toBe('two');
      expect(moves).toEqual(['two: one fails; do something']);
    },
  );

  it('does not for one slow answer, but for two', async () => {
    const { clock, sources, token } = setUp('one', 'two');
    sources[0]!.fails = 'CREDENTIALS_UNWELL';
    await expect(token()).rejects.toMatchObject({ code: 'CREDENTIALS_UNWELL' });
    sources[0]!.fails = undefined;
    await clock.pass(1_000);
    expect(await token()).toBe('one2');
    sources[0]!.lifetimeMs = 1;
    await clock.pass(60 * MINUTE_MS);
    sources[0]!.fails = 'CREDENTIALS_UNWELL';
    await expect(token()).rejects.toMatchObject({ code: 'CREDENTIALS_UNWELL' });
    await clock.pass(1_000);
    expect(await token()).toBe('two1');
  });

  it('goes back to the first after a while, behind the back of who asks, and asks it no more often than that', async () => {
    const { clock, sources, ladder, token, moves } = setUp('one', 'two');
    sources[0]!.fails = 'CREDENTIALS_UNREACHABLE';
    for (let minutes = 0; minutes < 240; minutes++) {
      expect(await token()).toMatch(/^two/);
      await clock.pass(MINUTE_MS);
    }
    expect(sources[0]!.calls).toBeLessThan(30);
    expect(sources[1]!.calls).toBeLessThanOrEqual(5);
    sources[0]!.fails = undefined;
    for (let minutes = 0; minutes < 16; minutes++) {
      await token();
      await clock.pass(MINUTE_MS);
    }
    expect(await token()).toMatch(/^one/);
    expect(ladder.inUse.name).toBe('one');
    expect(moves).toEqual(['two: one fails; do something', 'one: again']);
  });

  it('tells what heals by itself before what a person has to change', async () => {
    const { sources, token } = setUp('one', 'two');
    Object.assign(sources[0]!, { fails: 'CREDENTIALS_REFUSED' });
    Object.assign(sources[1]!, { fails: 'CREDENTIALS_UNREACHABLE' });
    await expect(token()).rejects.toMatchObject({ code: 'CREDENTIALS_UNREACHABLE' });
  });

  it('drops what S3 refuses wherever it came from', async () => {
    const { sources, ladder } = setUp('one', 'two');
    sources[0]!.fails = 'CREDENTIALS_REFUSED';
    const used = await ladder.get();
    expect(ladder.isExpired(used)).toBe(false);
    ladder.invalidate(used);
    expect(ladder.isExpired(used)).toBe(true);
    expect((await ladder.get()).sessionToken).toBe('two2');
  });
});
