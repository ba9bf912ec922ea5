import { Settling } from '../../src/outbox/settling';

const SECOND_NS = 1_000_000_000n;
const path = (name: string): Buffer => Buffer.from(name);
const version = (content: string, place = 'here') => ({ content, place });

describe('a file settles', () => {
  /** One look at one file. */
  const look = (
    settling: Settling,
    name: string,
    at: number,
    content = 'v1',
    place = 'here',
    ctimeNs = 0n,
  ): boolean => {
    settling.begin(undefined);
    return settling.isSettled(path(name), version(content, place), ctimeNs, at, 5_000);
  };

  it('when two looks at least so long apart find it the same', () => {
    const settling = new Settling({ maxRemembered: 10 });
    expect(look(settling, 'a', 0)).toBe(false);
    expect(settling.earliestMs).toBe(5_000);
    expect(look(settling, 'a', 4_999)).toBe(false);
    expect(settling.earliestMs).toBe(5_000);
    expect(look(settling, 'a', 5_000)).toBe(true);
  });

  it.each([
    ['its content', 'v2', 'here'],
    ['its ctime or inode', 'v1', 'there'],
  ])('anew when %s changes', (_, content, place) => {
    const settling = new Settling({ maxRemembered: 10 });
    look(settling, 'a', 0);
    expect(look(settling, 'a', 5_000, content, place)).toBe(false);
    expect(look(settling, 'a', 9_999, content, place)).toBe(false);
    expect(look(settling, 'a', 10_000, content, place)).toBe(true);
  });

  it('anew when it was away for a look', () => {
    const settling = new Settling({ maxRemembered: 10 });
    look(settling, 'a', 0);
    settling.begin(undefined);
    expect(look(settling, 'a', 6_000)).toBe(false);
  });

  it('at once where nobody asks it to wait', () => {
    const settling = new Settling({ maxRemembered: 10 });
    settling.begin(undefined);
    expect(settling.isSettled(path('a'), version('v1'), 0n, 0, 0)).toBe(true);
  });

  it('and need not settle again when it was not taken', () => {
    const settling = new Settling({ maxRemembered: 10 });
    look(settling, 'a', 0);
    expect(look(settling, 'a', 5_000)).toBe(true);
    settling.keep(path('a'), version('v1'), 5_000, 5_000);
    expect(look(settling, 'a', 5_010)).toBe(true);
  });

  it('anew after a step of the wall clock', () => {
    const settling = new Settling({ maxRemembered: 10 });
    look(settling, 'a', 0);
    settling.forget();
    expect(look(settling, 'a', 6_000)).toBe(false);
    expect(look(settling, 'a', 11_000)).toBe(true);
  });

  it('also when its name is no text: one byte is another', () => {
    const settling = new Settling({ maxRemembered: 10 });
    settling.begin(undefined);
    settling.isSettled(Buffer.from([0x83]), version('v1'), 0n, 0, 5_000);
    settling.isSettled(Buffer.from([0x84]), version('v2'), 0n, 0, 5_000);
    settling.begin(undefined);
    expect(settling.isSettled(Buffer.from([0x83]), version('v1'), 0n, 5_000, 5_000)).toBe(true);
    expect(settling.isSettled(Buffer.from([0x84]), version('v2'), 0n, 5_000, 5_000)).toBe(true);
  });
});

describe('of a large backlog', () => {
  const ctimeNs = 100n * SECOND_NS;

  it('those beyond the limit settle by a stamp that is old enough', () => {
    const settling = new Settling({ maxRemembered: 1 });
    settling.begin(undefined);
    expect(settling.wantsStamp).toBe(false);
    settling.isSettled(path('a'), version('v1'), ctimeNs, 0, 5_000);
    settling.isSettled(path('b'), version('v1'), ctimeNs, 0, 5_000);
    expect(settling.wantsStamp).toBe(true);
    const stamp = { monotonicMs: 1_000, ctimeNs: ctimeNs + 3n * SECOND_NS };
    settling.begin(stamp);
    expect(settling.isSettled(path('b'), version('v1'), ctimeNs, 5_999, 5_000)).toBe(false);
    expect(settling.isSettled(path('b'), version('v1'), ctimeNs, 6_000, 5_000)).toBe(true);
  });

  it('what was touched after the stamp, or just before it, does not', () => {
    const settling = new Settling({ maxRemembered: 0 });
    settling.begin({ monotonicMs: 0, ctimeNs });
    expect(settling.isSettled(path('later'), version('v1'), ctimeNs + SECOND_NS, 60_000, 5_000)).toBe(false);
    expect(settling.isSettled(path('just before'), version('v1'), ctimeNs - SECOND_NS, 60_000, 5_000)).toBe(false);
    expect(settling.isSettled(path('before'), version('v1'), ctimeNs - 3n * SECOND_NS, 60_000, 5_000)).toBe(true);
  });

  it('a stamp from before a step of the clock says nothing', () => {
    const settling = new Settling({ maxRemembered: 0 });
    settling.begin({ monotonicMs: 0, ctimeNs });
    settling.forget();
    expect(settling.isSettled(path('a'), version('v1'), 0n, 60_000, 5_000)).toBe(false);
  });

  it('no more are remembered than the limit', () => {
    const settling = new Settling({ maxRemembered: 2 });
    settling.begin(undefined);
    for (const name of ['a', 'b', 'c']) settling.isSettled(path(name), version('v1'), 0n, 0, 5_000);
    settling.begin(undefined);
    const settled = ['a', 'b', 'c'].filter((name) => settling.isSettled(path(name), version('v1'), 0n, 5_000, 5_000));
    expect(settled).toEqual(['a', 'b']);
  });
});
