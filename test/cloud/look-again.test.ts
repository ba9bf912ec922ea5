import { lookAgain } from '../../src/cloud/look-again';

const NEVER = new AbortController().signal;
const unreachable = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
/** Each time the next of these. */
const looking = (...outcomes: (string | Error | undefined)[]) => {
  const looks = { count: 0 };
  const look = async (): Promise<string | undefined> => {
    const outcome = outcomes[Math.min(looks.count++, outcomes.length - 1)];
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  return { look, looks };
};

describe('looking again', () => {
  it('ends with the first answer', async () => {
    const { look, looks } = looking('here');
    expect(await lookAgain(look, Number.POSITIVE_INFINITY, NEVER)).toBe('here');
    expect(looks.count).toBe(1);
  });

  it('looks once more when the time is up', async () => {
    const { look, looks } = looking(undefined);
    expect(await lookAgain(look, 20, NEVER)).toBeUndefined();
    expect(looks.count).toBe(2);
    expect(await lookAgain(looking(undefined, 'here').look, 20, NEVER)).toBe('here');
  });

  it('goes on where the link is down, and says so when the time is up', async () => {
    expect(await lookAgain(looking(unreachable(), 'here').look, 20, NEVER)).toBe('here');
    await expect(lookAgain(looking(unreachable()).look, 20, NEVER)).rejects.toThrow('ECONNREFUSED');
  });

  it('ends with what will not pass', async () => {
    const { look, looks } = looking(new Error('denied'));
    await expect(lookAgain(look, Number.POSITIVE_INFINITY, NEVER)).rejects.toThrow('denied');
    expect(looks.count).toBe(1);
  });

  it('ends when it is interrupted', async () => {
    const controller = new AbortController();
    const waiting = lookAgain(looking(undefined).look, Number.POSITIVE_INFINITY, controller.signal);
    controller.abort(new Error('interrupted'));
    await expect(waiting).rejects.toThrow('interrupted');
  });
});
