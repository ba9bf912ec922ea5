import { ConnectionLost } from '../../src/aws/mqtt/mqtt-connection';
import { TakeOvers } from '../../src/aws/mqtt/take-overs';
import { TopicTrials } from '../../src/aws/mqtt/topic-trials';
import { ManualClock } from '../support/manual-clock';

const ENDPOINT = 'abc-ats.iot.eu-central-1.amazonaws.com:8883';
const hungUp = (): Promise<never> => Promise.reject(new ConnectionLost('hung up', true));
const outcomeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error: Error & { code?: string }) => error.code ?? error.name,
  );

let clock: ManualClock;
let trials: TopicTrials;
beforeEach(() => {
  clock = new ManualClock();
  trials = new TopicTrials(ENDPOINT, clock);
});
const publish = (topic: string, ask: () => Promise<unknown>): Promise<string> =>
  outcomeOf(trials.run('iot:Publish', topic, ask));

describe('a topic that the broker hangs up on', () => {
  it('is denied the second time, and then not asked for', async () => {
    expect(await publish('a', hungUp)).toBe('ConnectionLost');
    expect(trials.problems).toEqual([]);
    expect(await publish('a', hungUp)).toBe('MESSAGE_DENIED');
    const ask = jest.fn(hungUp);
    expect(await publish('a', ask)).toBe('MESSAGE_DENIED');
    expect(ask).not.toHaveBeenCalled();
    expect(trials.problems).toEqual([
      `${ENDPOINT} hangs up when a is published to; allow iot:Publish on arn:aws:iot:eu-central-1:<account>:topic/a in the certificate's IoT policy`,
    ]);
  });

  it('is tried again a day later, once, and allowed when it is', async () => {
    await publish('a', hungUp);
    await publish('a', hungUp);
    await clock.pass(86_400_000);
    expect(await publish('a', hungUp)).toBe('MESSAGE_DENIED');
    await clock.pass(86_400_000);
    expect(await publish('a', async () => 1)).toBe('ok');
    expect(trials.problems).toEqual([]);
    expect(await publish('a', hungUp)).toBe('ConnectionLost');
  });

  it('is another one for subscribing: both ARNs are named', async () => {
    await publish('a/+', hungUp);
    await publish('a/+', hungUp);
    const subscribe = (): Promise<string> => outcomeOf(trials.run('iot:Subscribe', 'a/+', hungUp));
    expect([await subscribe(), await subscribe()]).toEqual(['ConnectionLost', 'MESSAGE_DENIED']);
    expect(trials.problems[1]).toContain('iot:Subscribe on arn:aws:iot:eu-central-1:<account>:topicfilter/a/+ ');
    expect(trials.problems[1]).toContain('iot:Receive on arn:aws:iot:eu-central-1:<account>:topic/a/* ');
  });

  it('is forgiven when it went well in between', async () => {
    await publish('a', hungUp);
    await publish('a', async () => 1);
    // The first of these may have been with others.
    for (let i = 0; i < 2; i++) expect(await publish('a', hungUp)).toBe('ConnectionLost');
    expect(await publish('a', hungUp)).toBe('MESSAGE_DENIED');
  });
});

describe('nobody is to blame', () => {
  it.each([
    ['when the link broke', new ConnectionLost('silence', false)],
    ['when there was no answer', new Error('no answer')],
  ])('%s', async (_, error) => {
    for (let i = 0; i < 3; i++) expect(await publish('a', () => Promise.reject(error))).toBe(error.name);
    expect(trials.blamed).toBe(0);
  });

  it('when the hang-up came late', async () => {
    const late = async (): Promise<never> => {
      await clock.pass(5_001);
      return hungUp();
    };
    for (let i = 0; i < 3; i++) expect(await publish('a', late)).toBe('ConnectionLost');
  });
});

describe('who goes alone', () => {
  it('is what has not been allowed before; what has, goes together', async () => {
    await publish('known', async () => 1);
    const under = new Set<string>();
    const seen: string[] = [];
    const held = (name: string) => async (): Promise<void> => {
      under.add(name);
      seen.push([...under].join('+'));
      for (let i = 0; i < 5; i++) await Promise.resolve();
      under.delete(name);
    };
    await Promise.all([
      publish('known', held('k1')),
      publish('known', held('k2')),
      publish('new', held('n1')),
      publish('other', held('n2')),
      publish('known', held('k3')),
    ]);
    expect(seen.sort()).toEqual(['k1', 'k1+k2', 'k3', 'n1', 'n2']);
  });

  it('is one of several that were hung up on, from then on', async () => {
    for (const topic of ['a', 'b']) await publish(topic, async () => 1);
    expect(await Promise.all([publish('a', hungUp), publish('b', hungUp)])).toEqual(Array(2).fill('ConnectionLost'));
    expect(trials.blamed).toBe(0);
    expect(await publish('b', async () => 1)).toBe('ok');
    expect([await publish('a', hungUp), await publish('a', hungUp)]).toEqual(['ConnectionLost', 'MESSAGE_DENIED']);
  });

  it('does not hold up the others when it is denied meanwhile', async () => {
    const calls = [1, 2, 3, 4].map(() => publish('a', hungUp));
    expect(await Promise.all(calls)).toEqual(['ConnectionLost', 'MESSAGE_DENIED', 'MESSAGE_DENIED', 'MESSAGE_DENIED']);
    expect(await publish('b', async () => 1)).toBe('ok');
  });
});

describe('a war over the client id', () => {
  const MINUTE_MS = 60_000;

  it.each([
    ['two hang-ups within a minute, each soon after its CONNACK', [[5, 1] as const, [9, 6] as const], true],
    ['one', [[5, 1] as const], false],
    ['two with more than a minute between', [[5, 1] as const, [70, 69] as const], false],
    ['of connections that lasted', [[65, 1] as const, [130, 66] as const], false],
  ])('%s: %p %p', (_, losses, isWar) => {
    const takeOvers = new TakeOvers();
    const found = losses.map(([atS, connectedS]) => takeOvers.add(atS * 1000, connectedS * 1000));
    expect(found.at(-1)).toBe(isWar);
  });

  it('is not a link that breaks', () => {
    const takeOvers = new TakeOvers();
    takeOvers.add(5_000, 1_000);
    takeOvers.forget();
    expect(takeOvers.add(MINUTE_MS / 2, 20_000)).toBe(false);
  });
});
