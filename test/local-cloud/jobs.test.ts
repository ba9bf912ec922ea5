import type { JobsDevice } from '../support/jobs-device';
import { JobsSite } from '../support/jobs-site';
import { until } from '../support/until';
import { MAX_DETAILS } from './jobs/request-body';

let site: JobsSite;
let device: JobsDevice;
let jobId: string;

beforeAll(async () => {
  site = await JobsSite.start();
});
afterAll(() => site.stop());
beforeEach(async () => {
  device = await site.device();
});

const document = { operation: 'test', version: 3, list: [1, { deep: null }] };
const describe1 = () => site.control.describeJobExecution(jobId, device.thing);

describe('with the policy of seed D', () => {
  it('nothing is pending', async () => {
    expect(await device.ask('get')).toEqual({ is: 'accepted', inProgressJobs: [], queuedJobs: [] });
    expect(await device.ask('start-next')).toEqual({ is: 'accepted' });
    expect(await device.ask('$next/get')).toEqual({ is: 'accepted' });
  });

  it('nothing is pending, told as the real service is seen to', async () => {
    site.jobs.settings.tellsEmptyExecution = true;
    try {
      expect(await device.ask('start-next')).toEqual({ is: 'accepted', execution: {} });
      expect(await device.ask('$next/get')).toEqual({ is: 'accepted', execution: {} });
    } finally {
      site.jobs.settings.tellsEmptyExecution = false;
    }
  });

  it('a job is found, begun and ended', async () => {
    jobId = site.createJob([device.thing], { document });
    const times = { queuedAt: expect.any(Number), lastUpdatedAt: expect.any(Number) };
    const queued = { jobId, ...times, executionNumber: 1, versionNumber: 1 };
    expect(await device.ask('get')).toEqual({ is: 'accepted', inProgressJobs: [], queuedJobs: [queued] });
    const execution = { ...queued, thingName: device.thing, status: 'QUEUED' };
    const whole = { is: 'accepted', execution: { ...execution, jobDocument: document } };
    expect(await device.ask('$next/get')).toEqual(whole);
    expect(await device.ask(`${jobId}/get`, { executionNumber: 1 })).toEqual(whole);
    expect(await device.ask(`${jobId}/get`, { includeJobDocument: false })).toEqual({ is: 'accepted', execution });
    const begun = { status: 'IN_PROGRESS', statusDetails: { step: '1' }, startedAt: expect.any(Number) };
    expect(await device.ask('start-next', { statusDetails: { step: '1' } })).toEqual({
      is: 'accepted',
      execution: { ...execution, ...begun, versionNumber: 2, jobDocument: document },
    });
    const { inProgressJobs, queuedJobs } = await device.ask('get');
    expect([inProgressJobs, queuedJobs]).toEqual([
      [{ ...queued, versionNumber: 2, startedAt: expect.any(Number) }],
      [],
    ]);
    const end = { status: 'SUCCEEDED', statusDetails: { bytes: '7' }, expectedVersion: 2 };
    expect(await device.ask(`${jobId}/update`, end)).toEqual({ is: 'accepted' });
    expect(await device.ask('get')).toEqual({ is: 'accepted', inProgressJobs: [], queuedJobs: [] });
    expect(describe1()).toMatchObject({ status: 'SUCCEEDED', statusDetails: { bytes: '7' }, versionNumber: 3 });
    expect(site.control.describeJob(jobId)).toMatchObject({ status: 'COMPLETED', executions: { SUCCEEDED: 1 } });
  });

  it('times are in whole seconds of the server', async () => {
    jobId = site.createJob([device.thing]);
    const { queuedAt, lastUpdatedAt } = describe1();
    expect([queuedAt, lastUpdatedAt].every((at) => Number.isInteger(at) && Math.abs(at - Date.now() / 1000) < 60)).toBe(
      true,
    );
  });

  it('start-next goes on with what is in progress, as it was left', async () => {
    const first = site.createJob([device.thing]);
    jobId = site.createJob([device.thing]);
    await device.ask(`${jobId}/update`, { status: 'IN_PROGRESS', statusDetails: { at: '50' } });
    const again = await device.ask('start-next', { statusDetails: { at: '0' } });
    expect(again).toMatchObject({ execution: { jobId, statusDetails: { at: '50' }, versionNumber: 2 } });
    await device.ask(`${jobId}/update`, { status: 'FAILED' });
    expect(await device.ask('start-next')).toMatchObject({ execution: { jobId: first, status: 'IN_PROGRESS' } });
  });

  it('an update says what it is asked to', async () => {
    jobId = site.createJob([device.thing], { document });
    const progress = { status: 'IN_PROGRESS', statusDetails: { at: '10' }, expectedVersion: '1' };
    const state = { status: 'IN_PROGRESS', statusDetails: { at: '10' }, versionNumber: 2 };
    expect(
      await device.ask(`${jobId}/update`, { ...progress, includeJobExecutionState: true, includeJobDocument: true }),
    ).toEqual({ is: 'accepted', executionState: state, jobDocument: document });
    // Details that are not given stay, and those that are replace the map.
    await device.ask(`${jobId}/update`, { status: 'IN_PROGRESS' });
    expect(describe1()).toMatchObject({ statusDetails: { at: '10' }, versionNumber: 3 });
    await device.ask(`${jobId}/update`, { status: 'REJECTED', statusDetails: { why: 'not mine' } });
    expect(describe1()).toMatchObject({ status: 'REJECTED', statusDetails: { why: 'not mine' } });
  });
});

describe('answers', () => {
  it('reach the connection that asked and no other, which hears no request either', async () => {
    const watcher = await site.device({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'iot:*', Resource: '*' }],
    });
    await watcher.connection.subscribe(device.topic('#'));
    await device.ask('get');
    const last = site.createJob([device.thing]);
    await until('notified', () => watcher.heard.filter((each) => each.includes(last)).length === 2);
    expect(watcher.heard.map((each) => each.split(' ')[0]).sort()).toEqual([
      device.topic('notify'),
      device.topic('notify-next'),
    ]);
  });

  it('need iot:Receive', async () => {
    const deaf = await site.device({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['iot:Connect', 'iot:Publish'], Resource: '*' }],
    });
    await deaf.say('get', {});
    await site.jobs.waitForRequest('its request', ({ thing }) => thing === deaf.thing);
    await deaf.say('get', {}); // its PUBACK comes behind what an answer to the first would be
    expect([deaf.heard, deaf.connection.lost.aborted]).toEqual([[], false]);
  });

  it('are not kept for a connection that has gone', async () => {
    const late = site.jobs.faults.add({ kind: 'stall', operation: 'StartNextPendingJobExecution' });
    await device.say('start-next', { clientToken: 'gone' });
    await late.waitForHits();
    await device.connection.close();
    const back = await site.reconnect(device.thing);
    late.release();
    await back.ask('get');
    expect(back.heard.filter((each) => each.includes('gone'))).toEqual([]);
  });

  it('come without a token where none was sent, and to a request of no bytes', async () => {
    await device.say('get', '');
    const [answer] = await device.waitForMessages('get/accepted', 1);
    expect(answer).toEqual({ timestamp: expect.any(Number), inProgressJobs: [], queuedJobs: [] });
  });
});

describe("another thing's jobs", () => {
  it('are hung up on', async () => {
    const other = await site.device();
    await device.connection
      .publish(other.topic('get'), Buffer.from('{}'))
      .then(() => 'ok')
      .catch(() => undefined);
    await until('hung up', () => device.connection.lost.aborted);
    expect(site.cloud.mqtt.denials.at(-1)).toMatchObject({ action: 'iot:Publish', name: other.topic('get') });
  });
});

describe('is rejected', () => {
  beforeEach(() => {
    jobId = site.createJob([device.thing]);
  });
  const rejected = (code: string) => ({ is: 'rejected', code, message: expect.any(String) });

  it.each(['', 'nonsense', 'get/more', 'notify', '$next/update', 'get/accepted', 'a/b/get'])(
    'InvalidTopic: %j',
    async (rest) => {
      expect(await device.ask(rest)).toEqual(rejected('InvalidTopic'));
    },
  );

  it.each([
    ['no JSON', Buffer.from('{"a":')],
    ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
  ])('InvalidJson: %s', async (_, payload) => {
    await device.say('get', payload);
    const [answer] = await device.waitForMessages('get/rejected', 1);
    expect(answer).toEqual({ code: 'InvalidJson', message: expect.any(String), timestamp: expect.any(Number) });
  });

  it('InvalidRequest: no object', async () => {
    await device.say('get', '[]');
    expect((await device.waitForMessages('get/rejected', 1))[0]).toMatchObject({ code: 'InvalidRequest' });
  });

  const full = Object.fromEntries(Array.from({ length: MAX_DETAILS }, (_, at) => [`k${at}`, 'v']));
  it.each<[string, object]>([
    ['no status', {}],
    ['a status of nobody', { status: 'DONE' }],
    ['a status that only the service gives', { status: 'CANCELED' }],
    ['back to QUEUED', { status: 'QUEUED' }],
    ['details that are no map', { statusDetails: 'late' }],
    ['a value that is no string', { statusDetails: { at: 5 } }],
    ['a value of nothing', { statusDetails: { at: '' } }],
    ['a value with a line end', { statusDetails: { why: 'first\nsecond' } }],
    ['a value with an invisible character', { statusDetails: { why: 'a\u200db' } }],
    ['a value too long', { statusDetails: { why: 'x'.repeat(1025) } }],
    ['a key of nothing', { statusDetails: { '': 'v' } }],
    ['a key with a dot', { statusDetails: { 'a.b': 'v' } }],
    ['a key too long', { statusDetails: { ['k'.repeat(129)]: 'v' } }],
    ['too many details', { statusDetails: { ...full, more: 'v' } }],
    ['a version that is no number', { expectedVersion: 'one' }],
    ['a step of no minutes', { stepTimeoutInMinutes: 0 }],
    ['a step of more than a week', { stepTimeoutInMinutes: 10_081 }],
    ['a flag that is none', { includeJobExecutionState: 'yes' }],
  ])('InvalidRequest: %s', async (problem, wrong) => {
    const request = problem === 'no status' ? {} : { status: 'IN_PROGRESS', ...wrong };
    expect(await device.ask(`${jobId}/update`, request)).toEqual(rejected('InvalidRequest'));
    expect(describe1()).toMatchObject({ status: 'QUEUED', versionNumber: 1 });
  });

  it('and not what is just within the limits', async () => {
    const statusDetails = { ...full, k0: `${'x'.repeat(1023)}é`, k1: 'two words — 日本' };
    const { k2: _, ...most } = statusDetails as Record<string, string>;
    const details = { ...most, ['k:_-'.padEnd(128, '9')]: 'v' };
    const request = { status: 'IN_PROGRESS', statusDetails: details, stepTimeoutInMinutes: 10_080 };
    expect(await device.ask(`${jobId}/update`, request)).toEqual({ is: 'accepted' });
    expect(describe1().statusDetails).toEqual(details);
  });

  it('InvalidRequest: a job id that can be none', async () => {
    expect(await device.ask(`${'j'.repeat(65)}/get`)).toEqual(rejected('InvalidRequest'));
    expect(await device.ask('a.b/update', { status: 'FAILED' })).toEqual(rejected('InvalidRequest'));
  });

  it('ResourceNotFound: another job, another execution, a job of another thing', async () => {
    const foreign = site.createJob([(await site.device()).thing]);
    for (const request of ['none', foreign]) {
      expect(await device.ask(`${request}/get`)).toEqual(rejected('ResourceNotFound'));
      expect(await device.ask(`${request}/update`, { status: 'FAILED' })).toEqual(rejected('ResourceNotFound'));
    }
    expect(await device.ask(`${jobId}/get`, { executionNumber: 2 })).toEqual(rejected('ResourceNotFound'));
  });

  it('VersionMismatch, with the state', async () => {
    await device.ask('start-next', { statusDetails: { at: '1' } });
    expect(await device.ask(`${jobId}/update`, { status: 'SUCCEEDED', expectedVersion: 1 })).toEqual({
      ...rejected('VersionMismatch'),
      executionState: { status: 'IN_PROGRESS', statusDetails: { at: '1' }, versionNumber: 2 },
    });
    expect(describe1().status).toBe('IN_PROGRESS');
  });

  it.each(['SUCCEEDED', 'FAILED', 'REJECTED'])('InvalidStateTransition from %s, with the state', async (status) => {
    await device.ask(`${jobId}/update`, { status });
    const late = { status: 'SUCCEEDED', expectedVersion: 1 };
    const executionState = { status, versionNumber: 2 };
    expect(await device.ask(`${jobId}/update`, late)).toEqual({
      ...rejected('InvalidStateTransition'),
      executionState,
    });
    site.jobs.settings.checksVersionFirst = true;
    try {
      expect(await device.ask(`${jobId}/update`, late)).toEqual({ ...rejected('VersionMismatch'), executionState });
    } finally {
      site.jobs.settings.checksVersionFirst = false;
    }
  });

  it('TerminalStateReached: an ended job is not described', async () => {
    await device.ask(`${jobId}/update`, { status: 'FAILED' });
    expect(await device.ask(`${jobId}/get`)).toEqual(rejected('TerminalStateReached'));
  });

  it.each(['InternalError', 'RequestThrottled'] as const)('%s, when a fault says so', async (code) => {
    const fault = site.jobs.faults.add({ kind: 'error', code, operation: 'UpdateJobExecution', count: 2 });
    const update = () => device.ask(`${jobId}/update`, { status: 'IN_PROGRESS' });
    expect([await update(), await update()]).toEqual([rejected(code), rejected(code)]);
    expect(describe1().status).toBe('QUEUED');
    expect(await update()).toEqual({ is: 'accepted' });
    expect(fault.hits).toBe(2);
  });
});

describe('a fault', () => {
  const token = { clientToken: 'mine' };
  beforeEach(() => {
    jobId = site.createJob([device.thing]);
  });
  const request = () =>
    site.jobs.waitForRequest(`request about ${jobId}`, (each) => each.jobId === jobId && each.fault !== undefined);
  const aim = { operation: 'UpdateJobExecution' } as const;

  it('drop: never heard', async () => {
    site.jobs.faults.add({ kind: 'drop', ...aim, key: jobId });
    await device.say(`${jobId}/update`, { status: 'SUCCEEDED' });
    expect(await request()).toMatchObject({ outcome: undefined, answer: undefined, body: undefined });
    expect(await device.ask(`${jobId}/update`, { status: 'FAILED' })).toEqual({ is: 'accepted' });
    expect(describe1().status).toBe('FAILED');
  });

  it('dropAfter: done, and the answer is lost', async () => {
    site.jobs.faults.add({ kind: 'dropAfter', ...aim });
    await device.say(`${jobId}/update`, { status: 'SUCCEEDED', ...token });
    expect(await request()).toMatchObject({ outcome: 'accepted', body: { status: 'SUCCEEDED' } });
    const again = await device.ask(`${jobId}/update`, { status: 'SUCCEEDED' });
    expect(again).toMatchObject({ code: 'InvalidStateTransition', executionState: { status: 'SUCCEEDED' } });
    expect(device.messages(`${jobId}/update/accepted`)).toEqual([]);
  });

  it('stall: the answer waits', async () => {
    const fault = site.jobs.faults.add({ kind: 'stall', ...aim });
    await device.say(`${jobId}/update`, { status: 'IN_PROGRESS', ...token });
    await request();
    await device.ask(`${jobId}/update`, { status: 'SUCCEEDED' });
    expect(device.messages(`${jobId}/update/accepted`)).toHaveLength(1);
    fault.release();
    const [, late] = await device.waitForMessages(`${jobId}/update/accepted`, 2);
    expect(late).toMatchObject(token);
  });

  it('repeat: the answer comes twice', async () => {
    site.jobs.faults.add({ kind: 'repeat', ...aim });
    await device.say(`${jobId}/update`, { status: 'IN_PROGRESS', ...token });
    const [once, twice] = await device.waitForMessages(`${jobId}/update/accepted`, 2);
    expect(twice).toEqual(once);
    expect(describe1().versionNumber).toBe(2);
  });
});
