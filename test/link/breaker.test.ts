import { Breaker } from '../../src/link/breaker';
import { ManualClock } from '../support/manual-clock';

function setUp(threshold: number, provenThreshold = threshold) {
  const clock = new ManualClock();
  const told: (string | undefined)[] = [];
  const breaker = new Breaker({
    threshold,
    provenThreshold,
    probe: { baseMs: 1_000, capMs: 4_000 },
    clock,
    dice: () => 1,
    onChange: (refusal) => told.push(refusal?.code),
  });
  return { clock, told, breaker };
}

describe('a breaker', () => {
  it('opens at once where one refusal is enough, admits one probe per pause, doubling, and closes by itself', async () => {
    const { clock, told, breaker } = setUp(1);
    breaker.fail(1, 'ACCESS_DENIED', 'no');
    for (const pauseMs of [1_000, 2_000, 4_000, 4_000]) {
      expect(breaker.admits()).toBe(0);
      await clock.pass(pauseMs - 1);
      expect(breaker.admits()).toBe(0);
      await clock.pass(1);
      expect(breaker.admits()).toBe(1);
      breaker.enter();
      expect(breaker.admits()).toBe(0);
      breaker.fail(2, 'ACCESS_DENIED', 'still no');
    }
    await clock.pass(4_000);
    breaker.enter();
    breaker.succeed();
    expect(breaker.admits()).toBe(Number.POSITIVE_INFINITY);
    expect(told).toEqual(['ACCESS_DENIED', undefined]);
  });

  it('counts different files, not one that fails again and again', () => {
    const { breaker } = setUp(3);
    for (let i = 0; i < 10; i++) breaker.fail(1, 'S3_INTERNAL', '');
    expect(breaker.refusal).toBeUndefined();
    breaker.fail(2, 'S3_INTERNAL', '');
    breaker.fail(3, 'S3_INTERNAL', '');
    expect(breaker.refusal).toBeDefined();
  });

  it('forgets failures with a success, and then asks for more before it opens', () => {
    const { breaker } = setUp(1, 3);
    breaker.succeed();
    breaker.fail(1, 'ACCESS_DENIED', '');
    breaker.fail(2, 'ACCESS_DENIED', '');
    expect(breaker.refusal).toBeUndefined();
    breaker.succeed();
    breaker.fail(3, 'ACCESS_DENIED', '');
    expect(breaker.refusal).toBeUndefined();
  });

  it('does not lengthen the pause for work that was under way when it opened', async () => {
    const { clock, breaker } = setUp(1);
    breaker.fail(1, 'ACCESS_DENIED', '');
    for (let i = 2; i < 17; i++) breaker.fail(i, 'ACCESS_DENIED', '');
    await clock.pass(1_000);
    expect(breaker.admits()).toBe(1);
  });

  it('keeps the probe for the next when one ends without a word', async () => {
    const { clock, breaker } = setUp(1);
    breaker.fail(1, 'ACCESS_DENIED', '');
    await clock.pass(1_000);
    breaker.enter();
    breaker.withdraw();
    expect(breaker.admits()).toBe(1);
  });

  it('tells the same refusal once, another at once, and an old one hourly', async () => {
    const { clock, told, breaker } = setUp(1);
    const probe = async (code: string, afterMs: number): Promise<void> => {
      await clock.pass(afterMs);
      breaker.enter();
      breaker.fail(1, code, `worded differently ${afterMs}`);
    };
    breaker.fail(1, 'ACCESS_DENIED', 'a');
    await probe('ACCESS_DENIED', 5_000);
    await probe('ACCESS_DENIED', 6_000);
    await probe('BUCKET_MISSING', 5_000);
    await probe('BUCKET_MISSING', 3_600_000);
    expect(told).toEqual(['ACCESS_DENIED', 'BUCKET_MISSING', 'BUCKET_MISSING']);
  });
});
