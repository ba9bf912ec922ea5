import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { type Clock, systemClock } from '../../src/clock';
import type { JobsErrorCode } from '../local-cloud/jobs/jobs-error';
import { Courier } from '../support/courier';
import { JobTaker } from '../support/job-taker';
import { SkippingClock } from '../support/skipping-clock';

let taker: JobTaker;

beforeEach(async () => {
  taker = await JobTaker.create({ config: { upload: { stallSeconds: 60 } } });
  await taker.put('one', '1');
});
afterEach(() => taker.end());

const one = () => ({ url: taker.url('one') });
/** Updates of that job as the account heard them. */
const updates = (jobId: string) =>
  taker.cloud.jobs.requests.filter((request) => request.jobId === jobId && request.operation === 'UpdateJobExecution');

/** A job whose download stands still in the middle. */
async function stalled(more: Parameters<JobTaker['send']>[1] = {}): Promise<{ job: string; release: () => void }> {
  await taker.put('big', randomBytes(2_000_000));
  const stall = taker.cloud.faults.add({ kind: 'stall', operation: 'GetObject', key: 'big' });
  const job = taker.send({ url: taker.url('big') }, more);
  await stall.waitForHits();
  return {
    job,
    release: () => {
      stall.remove();
      stall.release();
    },
  };
}

describe('the life of a job execution', () => {
  it.each<[JobsErrorCode, string]>([
    ['InternalError', 'StartNextPendingJobExecution'],
    ['RequestThrottled', 'StartNextPendingJobExecution'],
    ['InvalidTopic', 'StartNextPendingJobExecution'],
    ['InternalError', 'UpdateJobExecution'],
    ['RequestThrottled', 'UpdateJobExecution'],
    ['InvalidRequest', 'UpdateJobExecution'],
    ['InvalidJson', 'UpdateJobExecution'],
  ])('goes on after %s to %s', async (code, operation) => {
    taker.cloud.jobs.faults.add({ kind: 'error', operation, code });
    await taker.courier.start();
    expect((await taker.ended(taker.send(one()))).status).toBe('SUCCEEDED');
    await taker.until('told', () => taker.status?.unreported === 0);
  });

  it('tells the status alone when its details are refused', async () => {
    taker.cloud.jobs.faults.add({ kind: 'error', operation: 'UpdateJobExecution', code: 'InvalidRequest' });
    await taker.courier.start();
    expect((await taker.ended(taker.send(one()))).statusDetails).toEqual({});
    expect(await taker.courier.logged('a report of a job is refused')).toHaveLength(1);
  });

  it('says once, and then hourly, that no report of it is taken, and asks ever less often', async () => {
    const clock = new SkippingClock();
    await taker.end();
    taker = await JobTaker.create({ edge: { clock, dice: () => 0.5 } });
    await taker.put('one', '1');
    taker.cloud.jobs.faults.add({
      kind: 'error',
      operation: 'UpdateJobExecution',
      code: 'InvalidRequest',
      count: Number.POSITIVE_INFINITY,
    });
    await taker.courier.start();
    const job = taker.send(one());
    /** Of all lines that a person should see. */
    const said = () => taker.courier.logs.flatMap(({ level, message }) => (/warn|error/.test(level) ? [message] : []));
    /** Whether so many have been refused, and it was handed out once more: the next report is put off. */
    const isPutOff = (reports: number): boolean =>
      updates(job).length === 2 * reports &&
      taker.cloud.jobs.requests.at(-1)!.operation === 'StartNextPendingJobExecution' &&
      taker.status?.unreported === 1;
    const again = async (reports: number, ms: number): Promise<void> => {
      clock.skip(ms);
      await taker.until(`refused ${reports} times`, () => isPutOff(reports));
    };
    await again(1, 0);
    const first = ['a report of a job is refused', 'the job was over in the cloud before its end could be told'];
    expect(said()).toEqual(first);
    await again(2, 121_000);
    await again(3, 241_000);
    await again(4, 481_000);
    expect(said()).toEqual(first);
    await again(5, 3_600_000);
    expect(said()).toEqual([...first, 'a report of a job is refused']);
    expect(taker.files).toEqual(['one']);
  });

  it('takes up a version that has moved on', async () => {
    await taker.courier.start();
    const { job, release } = await stalled();
    const { versionNumber } = taker.control.describeJobExecution(job, Courier.thing);
    taker.update(job, { status: 'IN_PROGRESS', statusDetails: { by: 'hand' } });
    release();
    expect(await taker.ended(job)).toMatchObject({ status: 'SUCCEEDED', versionNumber: versionNumber + 2 });
    expect(updates(job).map(({ outcome }) => outcome)).toContain('VersionMismatch');
  });

  it.each<JobsErrorCode>(['InvalidStateTransition', 'TerminalStateReached', 'ResourceNotFound'])(
    'keeps its file, and goes on to the next job, when its end is answered by %s',
    async (code) => {
      taker.cloud.jobs.faults.add({ kind: 'error', operation: 'UpdateJobExecution', code });
      await taker.courier.start();
      const job = taker.send(one());
      const [line] = await taker.courier.logged('the job was over in the cloud before its end could be told');
      expect(line).toMatchObject({ job, reason: code });
      expect(taker.files).toEqual(['one']);
    },
  );

  it('stops when it is cancelled by force, leaves nothing behind, and takes the next', async () => {
    await taker.courier.start();
    const { job, release } = await stalled();
    taker.control.cancelJob(job, { force: true });
    await taker.courier.logged('the job is over in the cloud');
    release();
    expect((await taker.ended(taker.send(one()))).status).toBe('SUCCEEDED');
    expect(taker.files).toEqual(['one']);
    expect(taker.control.describeJobExecution(job, Courier.thing).status).toBe('CANCELED');
    expect(taker.status?.ended).toMatchObject([
      { outcome: 'SUCCEEDED' },
      { jobId: job, outcome: 'TerminalStateReached' },
    ]);
  });

  it('stops when it has run out of time', async () => {
    await taker.courier.start();
    const { job, release } = await stalled({ timeoutConfig: { inProgressTimeoutInMinutes: 1 } });
    taker.cloud.clockOffsetMs = 61_000;
    await taker.courier.logged('the job is over in the cloud');
    release();
    expect(taker.control.describeJobExecution(job, Courier.thing).status).toBe('TIMED_OUT');
    await taker.until('idle', () => taker.status?.current === undefined);
    expect(taker.files).toEqual([]);
  });

  it('gives way to another of the same id, and to a newer one', async () => {
    await taker.courier.start();
    const { job, release } = await stalled();
    taker.control.deleteJob(job, { force: true });
    taker.send(one(), { jobId: job });
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
    release();
    expect(taker.files).toEqual(['one']);
    const second = await stalled();
    taker.control.cancelJob(second.job, { force: true });
    const newer = taker.send({ ...one(), path: 'newer' });
    expect((await taker.ended(newer)).status).toBe('SUCCEEDED');
    second.release();
    expect(taker.files).toEqual(['newer', 'one']);
  });

  it('is over when it was cancelled while the device was off', async () => {
    await taker.courier.start();
    const { job, release } = await stalled();
    await taker.courier.stop();
    release();
    expect(readdirSync(taker.folder)).toHaveLength(1);
    taker.control.cancelJob(job, { force: true });
    await taker.courier.start();
    await taker.until('asked', () => taker.status?.ended.length === 1);
    expect(taker.status?.ended).toMatchObject([{ jobId: job, outcome: 'superseded' }]);
    expect(readdirSync(taker.folder)).toEqual([]);
  });

  it('goes on after a restart with the bytes it has', async () => {
    const content = randomBytes(2_000_000);
    await taker.put('two', content);
    taker.cloud.faults.add({ kind: 'truncate', operation: 'GetObject' });
    taker.cloud.faults.add({ kind: 'slowDown', operation: 'GetObject', count: Number.POSITIVE_INFINITY });
    await taker.courier.start();
    const job = taker.send({ url: taker.url('two') });
    await taker.courier.logged('attempt failed, another follows', 2);
    await taker.courier.stop();
    taker.cloud.faults.clear();
    await taker.courier.start();
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
    expect(taker.read('two').equals(content)).toBe(true);
    const sent = taker.cloud.requests.filter(({ operation, key }) => operation === 'GetObject' && key === 'two');
    expect(sent.at(-1)).toMatchObject({ status: 206 });
  });

  it.each(['StartNextPendingJobExecution', 'UpdateJobExecution'])(
    'is not run twice when the answer to %s is lost',
    async (operation) => {
      const lost = taker.cloud.jobs.faults.add({ kind: 'dropAfter', operation });
      const job = taker.send(one());
      await taker.courier.start();
      await lost.waitForHits();
      taker.cloud.mqtt.dropAll(); // sooner than the answer is given up
      expect((await taker.ended(job)).status).toBe('SUCCEEDED');
      await taker.until('told', () => taker.status?.unreported === 0 && taker.status.current === undefined);
      const gets = taker.cloud.requests.filter((each) => each.operation === 'GetObject');
      expect(gets).toHaveLength(1);
    },
  );

  it('tells its end when there is a connection again, also after a restart', async () => {
    await taker.courier.start();
    const { job, release } = await stalled();
    await taker.cloud.mqtt.close();
    release();
    await taker.courier.logged('job succeeded');
    expect(taker.status).toMatchObject({ unreported: 1 });
    await taker.courier.stop();
    await taker.courier.start();
    await taker.cloud.mqtt.open();
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
  });

  it('does not fail while it is the whole way out that is shut, however long', async () => {
    const clock = new SkippingClock();
    await taker.end();
    taker = await JobTaker.create({ jobs: { retryMinutes: 1 }, edge: { clock } });
    await taker.put('one', '1');
    const down = taker.cloud.faults.add({ kind: 'slowDown', operation: 'GetObject', count: Number.POSITIVE_INFINITY });
    await taker.courier.start();
    const job = taker.send(one());
    const attempts = () => taker.courier.logs.filter(({ message }) => message === 'attempt failed, another follows');
    await taker.until('tried', () => attempts().length > 0);
    await taker.cloud.mqtt.close();
    for (let i = 0; i < 3; i++) {
      const tried = attempts().length;
      clock.skip(61_000);
      await taker.until('tried again', () => attempts().length > tried);
    }
    down.remove();
    await taker.cloud.mqtt.open();
    clock.skip(61_000);
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
  });

  it('tells of its progress, sparingly', async () => {
    await taker.courier.stop();
    await taker.end();
    taker = await JobTaker.create({ edge: { clock: hurried() } });
    await taker.put('big', randomBytes(8_000_000));
    await taker.courier.start();
    const job = taker.send({ url: taker.url('big') });
    await taker.ended(job);
    const told = updates(job).filter(({ body }) => body!.status === 'IN_PROGRESS');
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThanOrEqual(10);
    expect(updates(job).map(({ outcome }) => outcome)).not.toContain('VersionMismatch');
    for (const { body } of told)
      expect(body!.statusDetails).toMatchObject({ progress: expect.stringMatching(/^\d+ %$/), of: '8000000' });
  });

  it('says once what its policy lacks, and takes no jobs', async () => {
    const { cloud } = taker;
    await cloud.createThing(Courier.thing, {
      certificatePolicy: {
        Statement: [{ Effect: 'Allow', Action: ['iot:Connect', 'iot:Subscribe', 'iot:Receive'], Resource: ['*'] }],
      },
    });
    await taker.courier.start();
    await taker.until('told', () => taker.status?.problems.length === 1);
    expect(taker.status?.problems[0]).toMatch(/iot:Publish.*\$aws\/things\/device00\/jobs\//);
    expect(taker.courier.logs.filter(({ message }) => message === 'no jobs')).toHaveLength(1);
  });
});

/** Ten seconds pass with each look. */
function hurried(): Clock {
  let ahead = 0;
  return {
    ...systemClock,
    monotonicMs: () => {
      ahead += 10_000;
      return systemClock.monotonicMs() + ahead;
    },
  };
}
