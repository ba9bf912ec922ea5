import { randomUUID } from 'node:crypto';
import type { JobsDevice } from '../support/jobs-device';
import { JobsSite } from '../support/jobs-site';
import { until } from '../support/until';

const MINUTE_MS = 60_000;
let site: JobsSite;
let device: JobsDevice;
let thing: string;

beforeAll(async () => {
  site = await JobsSite.start();
});
afterAll(() => site.stop());
beforeEach(async () => {
  device = await site.device();
  thing = device.thing;
  await device.connection.subscribe(device.topic('notify'));
  await device.connection.subscribe(device.topic('notify-next'));
});
afterEach(() => {
  site.cloud.clockOffsetMs = 0;
});

const pass = (minutes: number): void => {
  site.cloud.clockOffsetMs += minutes * MINUTE_MS;
};
const statusOf = (jobId: string): string => site.control.describeJobExecution(jobId, thing).status;
const update = (jobId: string, status: string, more: object = {}) => device.ask(`${jobId}/update`, { status, ...more });
const ended = (status: string) => ({
  is: 'rejected',
  code: 'InvalidStateTransition',
  executionState: expect.objectContaining({ status }),
});

type Listed = Record<string, { jobId: string }[]>;
/** Each list notification as `IN_PROGRESS a b, QUEUED c`. */
const lists = (): string[] =>
  device.messages('notify').map(({ jobs }) =>
    Object.entries(jobs as Listed)
      .map(([status, listed]) => [status, ...listed.map(({ jobId }) => jobId)].join(' '))
      .join(', '),
  );
const nexts = (): (string | undefined)[] =>
  device.messages('notify-next').map(({ execution }) => (execution as { jobId: string } | undefined)?.jobId);
const told = (count: number, next: number) =>
  until(
    'notifications',
    () => lists().length >= count && nexts().length >= next,
    () => device.heard,
  );

describe('notifications', () => {
  it('tell of the list when it changes, and of the next when that changes', async () => {
    const document = { operation: 'test' };
    const first = site.createJob([thing], { document });
    await told(1, 1);
    const summary = {
      jobId: first,
      queuedAt: expect.any(Number),
      lastUpdatedAt: expect.any(Number),
      executionNumber: 1,
      versionNumber: 1,
    };
    expect(device.messages('notify')).toEqual([{ timestamp: expect.any(Number), jobs: { QUEUED: [summary] } }]);
    expect(device.messages('notify-next')).toEqual([
      { timestamp: expect.any(Number), execution: { ...summary, status: 'QUEUED', jobDocument: document } },
    ]);
    const second = site.createJob([thing]);
    await told(2, 1);
    await update(first, 'IN_PROGRESS'); // of which nothing is told
    const third = site.createJob([thing]);
    await told(3, 1);
    await update(third, 'IN_PROGRESS'); // behind the first, which is in progress already
    await update(first, 'SUCCEEDED');
    await told(4, 2);
    await update(third, 'REJECTED');
    await told(5, 3);
    await update(second, 'FAILED');
    await told(6, 4);
    expect(lists()).toEqual([
      `QUEUED ${first}`,
      `QUEUED ${first} ${second}`,
      `IN_PROGRESS ${first}, QUEUED ${second} ${third}`,
      `IN_PROGRESS ${third}, QUEUED ${second}`,
      `QUEUED ${second}`,
      '',
    ]);
    expect(nexts()).toEqual([first, third, second, undefined]);
    expect(device.messages('notify').at(-1)).toEqual({ timestamp: expect.any(Number), jobs: {} });
    expect(device.messages('notify-next').at(-1)).toEqual({ timestamp: expect.any(Number) });
  });

  it('tell of another next when a later job is begun first', async () => {
    const [first, second] = [site.createJob([thing]), site.createJob([thing])];
    await update(second, 'IN_PROGRESS');
    await told(2, 2);
    expect([lists().length, nexts()]).toEqual([2, [first, second]]);
  });

  it('tell of the list also when a job is begun, where that is wanted', async () => {
    const jobId = site.createJob([thing]);
    site.jobs.settings.notifiesProgress = true;
    try {
      await device.ask('start-next');
      await told(2, 1);
      await update(jobId, 'IN_PROGRESS');
      await update(jobId, 'SUCCEEDED');
      await told(3, 2);
    } finally {
      site.jobs.settings.notifiesProgress = false;
    }
    expect(lists()).toEqual([`QUEUED ${jobId}`, `IN_PROGRESS ${jobId}`, '']);
  });

  it('come after the answer to what caused them', async () => {
    const jobId = site.createJob([thing]);
    await told(1, 1);
    await update(jobId, 'SUCCEEDED');
    await told(2, 2);
    expect(device.heard.slice(-3).map((each) => each.split(' ')[0])).toEqual([
      device.topic(`${jobId}/update/accepted`),
      device.topic('notify'),
      device.topic('notify-next'),
    ]);
  });

  it('list ten, as the answer to get does', async () => {
    const ids = Array.from({ length: 12 }, () => site.createJob([thing]));
    await told(12, 1);
    expect(lists().at(-1)).toBe(`QUEUED ${ids.slice(0, 10).join(' ')}`);
    const { queuedJobs } = await device.ask('get');
    expect((queuedJobs as { jobId: string }[]).map(({ jobId }) => jobId)).toEqual(ids.slice(0, 10));
  });

  it('are kept for a session that is away', async () => {
    await device.connection.close();
    const jobId = site.createJob([thing]);
    const back = await site.reconnect(thing);
    const [notified] = await back.waitForMessages('notify', 1);
    expect(notified).toMatchObject({ jobs: { QUEUED: [{ jobId }] } });
  });
});

describe('cancelling', () => {
  it('what is queued disappears', async () => {
    const jobId = site.createJob([thing]);
    site.control.cancelJob(jobId);
    await told(2, 2);
    expect([lists().at(-1), nexts().at(-1), statusOf(jobId)]).toEqual(['', undefined, 'CANCELED']);
    expect(await device.ask('start-next')).toEqual({ is: 'accepted' });
    expect(await device.ask(`${jobId}/get`)).toMatchObject({ code: 'TerminalStateReached' });
    expect(await update(jobId, 'IN_PROGRESS')).toMatchObject(ended('CANCELED'));
    expect(site.control.describeJob(jobId).status).toBe('CANCELED');
  });

  it('what is in progress goes on, unless by force', async () => {
    const jobId = site.createJob([thing]);
    await device.ask('start-next');
    site.control.cancelJob(jobId);
    expect(statusOf(jobId)).toBe('IN_PROGRESS');
    expect(() => site.control.cancelJobExecution(jobId, thing)).toThrow(/IN_PROGRESS/);
    site.control.cancelJob(jobId, { force: true });
    await told(2, 2);
    expect([lists(), statusOf(jobId)]).toEqual([[`QUEUED ${jobId}`, ''], 'CANCELED']);
    expect(await update(jobId, 'SUCCEEDED', { expectedVersion: 2 })).toMatchObject(ended('CANCELED'));
  });

  it('one execution alone, with a reason', async () => {
    const other = await site.device();
    const jobId = site.createJob([thing, other.thing]);
    await device.ask('start-next');
    const statusDetails = { reason: 'not here' };
    expect(() => site.control.cancelJobExecution(jobId, thing, { force: true, expectedVersion: 1 })).toThrow(/2/);
    site.control.cancelJobExecution(jobId, thing, { force: true, expectedVersion: 2, statusDetails });
    expect(site.control.describeJobExecution(jobId, thing)).toMatchObject({ status: 'CANCELED', statusDetails });
    expect(await other.ask('start-next')).toMatchObject({ execution: { jobId } });
    expect(() => site.control.cancelJobExecution(jobId, thing, { force: true })).toThrow(/CANCELED/);
  });

  it('and a newer job in its place: superseded', async () => {
    const older = site.createJob([thing]);
    await device.ask('start-next');
    const newer = site.createJob([thing]);
    site.control.cancelJob(older, { force: true });
    await told(3, 2);
    expect([lists().at(-1), nexts()]).toEqual([`QUEUED ${newer}`, [older, newer]]);
    expect(await update(older, 'SUCCEEDED')).toMatchObject(ended('CANCELED'));
    expect(await device.ask('start-next')).toMatchObject({ execution: { jobId: newer } });
  });
});

describe('deleting', () => {
  it('takes all of a job away; what has not ended only by force', async () => {
    const jobId = site.createJob([thing]);
    await device.ask('start-next');
    expect(() => site.control.deleteJob(jobId)).toThrow(/not ended/);
    expect(() => site.control.deleteJobExecution(jobId, thing)).toThrow(/in progress/);
    site.control.deleteJob(jobId, { force: true });
    await told(2, 2);
    expect([lists().at(-1), nexts().at(-1)]).toEqual(['', undefined]);
    expect(await device.ask(`${jobId}/get`)).toMatchObject({ code: 'ResourceNotFound' });
    expect(await update(jobId, 'SUCCEEDED')).toMatchObject({ code: 'ResourceNotFound' });
    expect(() => site.control.describeJob(jobId)).toThrow(/no job/);
  });

  it('one execution', async () => {
    const jobId = site.createJob([thing]);
    site.control.deleteJobExecution(jobId, thing);
    await told(2, 2);
    expect(await device.ask(`${jobId}/get`)).toMatchObject({ code: 'ResourceNotFound' });
    expect(site.control.describeJob(jobId).executions).toEqual({});
  });

  it('from the targets of a job: REMOVED', async () => {
    const jobId = site.createJob([thing]);
    await device.ask('start-next');
    site.control.removeTarget(jobId, thing);
    expect(await update(jobId, 'SUCCEEDED')).toMatchObject(ended('REMOVED'));
  });
});

describe('timing out', () => {
  it('counts from the beginning of progress, and nothing prolongs it', async () => {
    const jobId = site.createJob([thing], { timeoutConfig: { inProgressTimeoutInMinutes: 10 } });
    pass(60);
    expect(await device.ask('start-next')).toMatchObject({ execution: { status: 'IN_PROGRESS' } });
    pass(9);
    await update(jobId, 'IN_PROGRESS', { statusDetails: { at: '90' }, stepTimeoutInMinutes: 60 });
    expect(statusOf(jobId)).toBe('IN_PROGRESS');
    pass(2);
    await told(2, 2); // by itself: nobody asks
    expect(statusOf(jobId)).toBe('TIMED_OUT');
    const late = await update(jobId, 'SUCCEEDED', { expectedVersion: 3 });
    expect(late).toMatchObject({ ...ended('TIMED_OUT'), executionState: { statusDetails: { at: '90' } } });
    expect(site.control.describeJob(jobId).status).toBe('COMPLETED');
  });

  it('of a step, which each update may set anew or end', async () => {
    const jobId = site.createJob([thing]);
    await device.ask('start-next', { stepTimeoutInMinutes: 5 });
    pass(4);
    await update(jobId, 'IN_PROGRESS', { stepTimeoutInMinutes: 5 });
    pass(4);
    await update(jobId, 'IN_PROGRESS'); // changes nothing about it
    expect(statusOf(jobId)).toBe('IN_PROGRESS');
    await update(jobId, 'IN_PROGRESS', { stepTimeoutInMinutes: -1 });
    pass(24 * 60);
    expect(statusOf(jobId)).toBe('IN_PROGRESS');
    await update(jobId, 'IN_PROGRESS', { stepTimeoutInMinutes: 1 });
    pass(2);
    expect(await update(jobId, 'SUCCEEDED')).toMatchObject(ended('TIMED_OUT'));
  });

  it('takes fractions of a minute, and comes by itself', async () => {
    const jobId = site.createJob([thing], { timeoutConfig: { inProgressTimeoutInMinutes: 0.001 } });
    await device.ask('start-next');
    await site.control.waitForExecution(jobId, thing, ({ status }) => status === 'TIMED_OUT');
    await told(2, 2);
  });

  it('not of what is queued or ended', async () => {
    const config = { timeoutConfig: { inProgressTimeoutInMinutes: 1 } };
    const [done, waiting] = [site.createJob([thing], config), site.createJob([thing], config)];
    await device.ask('start-next', { stepTimeoutInMinutes: 1 });
    await update(done, 'SUCCEEDED');
    pass(60);
    expect([statusOf(done), statusOf(waiting)]).toEqual(['SUCCEEDED', 'QUEUED']);
  });
});

describe('targets', () => {
  it('are things and groups, by name and by ARN, each thing once', async () => {
    const others = await Promise.all([site.device(), site.device()]);
    const [b, c] = others.map((each) => each.thing) as [string, string];
    const group = `line-${randomUUID()}`;
    site.cloud.createThingGroup(group, [thing, b]);
    const arn = (resource: string) => `arn:aws:iot:${site.cloud.region}:${site.cloud.accountId}:${resource}`;
    const byName = site.createJob([`thinggroup/${group}`, c, b]);
    const byArn = site.createJob([arn(`thinggroup/${group}`), arn(`thing/${c}`)]);
    for (const jobId of [byName, byArn]) expect(site.control.describeJob(jobId).executions).toEqual({ QUEUED: 3 });
    await device.ask('start-next');
    await update(byName, 'SUCCEEDED');
    expect(site.control.describeJob(byName)).toMatchObject({ status: 'IN_PROGRESS', executions: { QUEUED: 2 } });
  });

  it.each([[[]], [['nobody']], [['thinggroup/none']]])('are refused: %j', (targets: string[]) => {
    expect(() => site.createJob(targets)).toThrow(/there is no|needs targets/);
  });
});
