import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as others } from 'node:timers/promises';
import { systemClock } from '../../src/clock';
import { MIGRATIONS } from '../../src/component/migrations';
import { Ledger } from '../../src/custody/ledger';
import { JobProgress } from '../../src/jobs/job-progress';
import { JobQueue } from '../../src/jobs/job-queue';
import { JobReports } from '../../src/jobs/job-reports';
import { JobRequests } from '../../src/jobs/job-requests';
import { JobRunner } from '../../src/jobs/job-runner';
import { Jobs } from '../../src/jobs/jobs';
import { type Job, JobsTable } from '../../src/jobs/jobs-table';
import { HandBus } from '../messages/hand-bus';
import { ManualClock } from '../support/manual-clock';
import { silentLog } from '../support/silent-log';
import { SkippingClock } from '../support/skipping-clock';
import { until } from '../support/until';

type Message = Record<string, unknown>;

/** A cloud that answers as told. @param answer undefined: it does not come */
function cloudThat(answer: (tail: string, body: Message) => Message | undefined, clock = new SkippingClock()) {
  const bus = new HandBus();
  const requests = new JobRequests(bus, 'thing', clock, () => undefined);
  bus.onPublish = (topic, payload) => {
    const body = JSON.parse(payload.toString()) as Message;
    const said = answer(topic.slice(requests.prefix.length), body);
    if (said === undefined)
      setImmediate(() => clock.skip(31_000)); // nobody waits for so long
    else requests.take(`${topic}/accepted`, Buffer.from(JSON.stringify({ ...said, clientToken: body.clientToken })));
    return Promise.resolve();
  };
  return { requests, clock };
}

const signal = new AbortController().signal;
const asked = { jobId: 'j', executionNumber: 1, queuedAt: 1 };
const execution = { ...asked, versionNumber: 1, status: 'IN_PROGRESS' };

describe('a document asked for through a nucleus', () => {
  it('is not too large when nothing at all is answered', async () => {
    const { requests } = cloudThat(() => undefined);
    await expect(new JobQueue(requests, 'nucleus').document(asked, signal)).rejects.toMatchObject({
      code: 'NO_ANSWER',
    });
  });

  it('comes when the way was shut for a while', async () => {
    let left = 2;
    const { requests } = cloudThat((_, { includeJobDocument }) => {
      if (includeJobDocument === true && left-- > 0) return undefined;
      return { execution: { ...execution, ...(includeJobDocument === true ? { jobDocument: { a: 1 } } : {}) } };
    });
    expect(await new JobQueue(requests, 'nucleus').document(asked, signal)).toEqual({ document: { a: 1 } });
  });
});

describe('what a job waits for', () => {
  const job: Job = { ...asked, id: 1, versionNumber: 1, state: 'running' } as Job;

  it('is told at once, then at most every five minutes, and in the end as it is', async () => {
    const clock = new ManualClock();
    const told: unknown[] = [];
    const bus = new HandBus();
    const requests = new JobRequests(bus, 'thing', clock, () => undefined);
    bus.onPublish = (topic, payload) => {
      const { clientToken, statusDetails } = JSON.parse(payload.toString()) as Message;
      told.push((statusDetails as Message).waiting);
      requests.take(`${topic}/accepted`, Buffer.from(JSON.stringify({ clientToken })));
      return Promise.resolve();
    };
    const reports = new JobReports(requests, clock, silentLog);
    const nothing = (): void => undefined;
    const progress = new JobProgress(job, 1, { reports, clock, onMoved: nothing, onOver: nothing });
    const waits = async (reason: string | undefined, afterMs: number): Promise<unknown[]> => {
      await clock.pass(afterMs);
      progress.waiting(reason);
      await others();
      return [...told];
    };
    expect(await waits('a', 0)).toEqual(['a']);
    expect(await waits('b', 1_000)).toEqual(['a']);
    expect(await waits('b', 298_999)).toEqual(['a']);
    expect(await waits('b', 1)).toEqual(['a', 'b']);
    expect(await waits('b', 600_000)).toEqual(['a', 'b']);
    expect(await waits(undefined, 600_000)).toEqual(['a', 'b']);
    expect(await waits('c', 0)).toEqual(['a', 'b', 'c']);
    expect(progress.waitingFor).toBe('c');
    await progress.end();
  });
});

describe('a cloud that does not answer', () => {
  let dir: string;
  let ledger: Ledger;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'answers-'));
    ledger = Ledger.open({ dir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
  });
  afterEach(() => {
    ledger.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('is taken for a lost subscription after the second time, and then at most hourly', async () => {
    let questions = 0;
    const silences: { readonly atMs: number; readonly questions: number }[] = [];
    const { requests, clock } = cloudThat(() => {
      questions++;
      return undefined;
    });
    const parts = { requests, clock, dice: () => 0.5, log: silentLog };
    const table = new JobsTable(ledger, Date.now);
    const queue = new JobQueue(requests, 'direct');
    const reports = new JobReports(requests, clock, silentLog);
    const runner = new JobRunner({
      ...parts,
      table,
      queue,
      reports,
      rules: { operations: {}, allowedHosts: [], takesFiles: false, takesKeys: false, givesFiles: false },
      download: undefined,
      upload: undefined,
      retryMs: 1,
      cloudNowMs: () => 0,
    });
    const onSilence = () => silences.push({ atMs: clock.monotonicMs(), questions });
    const jobs = new Jobs({ ...parts, table, queue, reports, runner, sweep: () => undefined, onSilence }).start();
    jobs.listening();
    await until('three times', () => {
      clock.skip(60_000);
      return silences.length >= 3;
    });
    await jobs.stop();
    expect(silences[0]!.questions).toBe(2);
    for (const [i, { atMs, questions: so }] of silences.slice(1).entries()) {
      expect(atMs - silences[i]!.atMs).toBeGreaterThanOrEqual(3_600_000);
      expect(so - silences[i]!.questions).toBeGreaterThan(2);
    }
  });
});
