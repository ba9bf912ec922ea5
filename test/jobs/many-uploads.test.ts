import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as others } from 'node:timers/promises';
import { systemClock } from '../../src/clock';
import { MIGRATIONS } from '../../src/component/migrations';
import { Ledger } from '../../src/custody/ledger';
import type { JobUploads } from '../../src/jobs/job-uploads';
import { type Job, JobsTable } from '../../src/jobs/jobs-table';
import { UploadJob } from '../../src/jobs/upload-job';
import { ManualClock } from '../support/manual-clock';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

let dir: string;
let ledger: Ledger;
let table: JobsTable;
let job: Job;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'uploads-'));
  ledger = Ledger.open({ dir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
  table = new JobsTable(ledger, Date.now);
  const execution = { jobId: 'j', executionNumber: 1, queuedAt: 1, versionNumber: 1, status: 'IN_PROGRESS' };
  job = await table.begin({ ...execution, document: {} });
});
afterEach(() => {
  ledger.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A way up where files go when the test says so. */
function wayUp(clock: ManualClock, count: number) {
  const root = join(dir, 'logs');
  mkdirSync(root);
  for (let i = 0; i < count; i++) writeFileSync(join(root, String(i)), 'x');
  const way = { looks: 0, asked: 0, next: 0 };
  const uploads: JobUploads = {
    enqueue: (files, onRow) =>
      ledger.write(() => {
        for (const index of files.keys()) onRow(index, index + 1);
      }),
    look: (ids) => {
      way.looks++;
      return {
        open: ids.length === 0 ? [] : [{ state: 'queued', files: ids.length, problem: undefined }],
        partBytes: 0,
      };
    },
    find: () => {
      way.asked++;
      return undefined;
    },
    withdraw: () => Promise.resolve(),
  };
  const options = { copyFolder: join(dir, 'collected'), copyMaxBytes: 0 };
  const upload = new UploadJob({ table, uploads, roots: [root], clock, ...options });
  const send = async (files: number): Promise<void> => {
    for (let i = 0; i < files; i++) {
      await ledger.write(() => table.noteSent(++way.next));
      upload.wake();
      await others();
    }
  };
  const nothing = (): void => undefined;
  const result = upload.run(job, ['**'], nothing, nothing, new AbortController().signal);
  return { way, send, result };
}

describe('a job that has asked for files', () => {
  it('looks at many no oftener than once a second, and at each of a few as it ends', async () => {
    const clock = new ManualClock();
    const { way, send, result } = wayUp(clock, 100);
    await until('begun', () => way.looks === 1);
    await send(50);
    expect(way.looks).toBe(1);
    await clock.pass(1_000);
    await until('looked', () => way.looks === 2);
    await send(40);
    await clock.pass(1_000);
    await until('looked again', () => way.looks === 3);
    for (let left = 9; left >= 0; left--) {
      await send(1);
      await until('seen', () => way.looks === 13 - left);
    }
    expect(await result).toEqual({ files: '100', bytes: '100' });
    expect(way.asked).toBe(0);
  });
});
