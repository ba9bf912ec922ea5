import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import { JobTaker } from '../support/job-taker';
import { SkippingClock } from '../support/skipping-clock';

let taker: JobTaker;
let logs: string;

const begin = async (jobs: object = {}, more: Partial<Parameters<typeof JobTaker.create>[0]> = {}): Promise<void> => {
  taker = await JobTaker.create({ hasBucket: true, ...more });
  logs = join(taker.courier.dir, 'var/log');
  mkdirSync(join(logs, 'deep'), { recursive: true });
  writeFileSync(join(logs, 'a.log'), 'one\n');
  writeFileSync(join(logs, 'deep/b c.log'), 'two\n');
  writeFileSync(join(logs, 'c.txt'), 'three\n');
  taker.courier.sections.jobs = { uploadRoots: [logs], ...jobs };
};
afterEach(() => taker.end());

const keyOf = (job: string, path: string): string => `device00/jobs/${job}${logs}/${path}`;
const copies = (): string[] => {
  const folder = join(taker.courier.dir, 'state/collected');
  return existsSync(folder) ? readdirSync(folder) : [];
};

describe('a job that asks for files', () => {
  it('gets those that fit, as they are, and leaves them where they lie', async () => {
    await begin();
    await taker.courier.start();
    const job = taker.send({ operation: 'send the logs', paths: [`${logs}/**/*.log`] });
    const { status, statusDetails } = await taker.ended(job);
    expect([status, statusDetails]).toEqual(['SUCCEEDED', { files: '2', bytes: '8' }]);
    expect(taker.courier.keys()).toEqual([keyOf(job, 'a.log'), keyOf(job, 'deep/b c.log')]);
    expect((await taker.courier.content(keyOf(job, 'deep/b c.log'))).toString()).toBe('two\n');
    expect(readdirSync(logs)).toEqual(['a.log', 'c.txt', 'deep']);
    expect(copies()).toEqual([]);
  });

  it('takes a folder for all that is in it, and a file for itself; relative paths are below each root', async () => {
    await begin();
    await taker.courier.start();
    const whole = taker.send({ paths: logs });
    expect((await taker.ended(whole)).statusDetails).toMatchObject({ files: '3' });
    const one = taker.send({ paths: ['c.txt'] });
    expect((await taker.ended(one)).statusDetails).toMatchObject({ files: '1', path: `${logs}/c.txt` });
  });

  it('sends a log as it was when it was asked for, however it goes on', async () => {
    await begin();
    const stall = taker.cloud.faults.add({ kind: 'stall', operation: 'PutObject', count: 1 });
    await taker.courier.start();
    const job = taker.send({ paths: ['a.log'] });
    await stall.waitForHits();
    appendFileSync(join(logs, 'a.log'), 'more\n');
    stall.release();
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
    expect((await taker.courier.content(keyOf(job, 'a.log'))).toString()).toBe('one\n');
  });

  it('sends what is too large for a copy from where it lies; one that changes meanwhile fails the job', async () => {
    await begin({ copyMaxBytes: 1_000 });
    const content = randomBytes(200_000);
    writeFileSync(join(logs, 'big.bin'), content);
    await taker.courier.start();
    const job = taker.send({ paths: ['big.bin'] });
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
    expect((await taker.courier.content(keyOf(job, 'big.bin'))).equals(content)).toBe(true);
    const stall = taker.cloud.faults.add({ kind: 'slowDown', operation: 'PutObject', count: 1 });
    const second = taker.send({ paths: ['big.bin'] });
    await stall.waitForHits();
    truncateSync(join(logs, 'big.bin'), 10);
    const { status, statusDetails } = await taker.ended(second);
    expect([status, statusDetails.reason]).toEqual([
      'FAILED',
      expect.stringMatching(/1 of 1 files were not delivered.*big\.bin/),
    ]);
  });

  it.each([
    [['/etc/passwd'], /outside jobs\.uploadRoots/],
    [['../../etc/passwd'], /\.\. in it/],
  ])('is rejected for %j', async (paths, reason) => {
    await begin();
    await taker.courier.start();
    const { status, statusDetails } = await taker.ended(taker.send({ paths }));
    expect([status, statusDetails.reason]).toEqual(['REJECTED', expect.stringMatching(reason)]);
  });

  it('follows no symlink, and fails where nothing fits', async () => {
    await begin();
    symlinkSync('/etc', join(logs, 'etc'));
    symlinkSync('/etc/passwd', join(logs, 'passwd.log'));
    await taker.courier.start();
    for (const path of ['etc/passwd', 'passwd.log', '*.none']) {
      const { status, statusDetails } = await taker.ended(taker.send({ paths: [path] }));
      expect([path, status, statusDetails.code]).toEqual([path, 'FAILED', 'SOURCE_MISSING']);
    }
    expect(taker.courier.keys()).toEqual([]);
  });

  it('goes on after a restart without collecting anew', async () => {
    await begin();
    const down = taker.cloud.faults.add({ kind: 'slowDown', operation: 'PutObject', count: Number.POSITIVE_INFINITY });
    await taker.courier.start();
    const job = taker.send({ paths: ['a.log'] });
    await down.waitForHits(2);
    await taker.courier.stop();
    writeFileSync(join(logs, 'a.log'), 'rotated\n');
    down.remove();
    await taker.courier.start();
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
    expect((await taker.courier.content(keyOf(job, 'a.log'))).toString()).toBe('one\n');
    await taker.until('tidied', () => copies().length === 0);
  });

  it('says why it waits, and sends nothing more once it is cancelled', async () => {
    await begin();
    taker.cloud.faults.add({
      kind: 'error',
      operation: 'PutObject',
      code: 'AccessDenied',
      count: Number.POSITIVE_INFINITY,
    });
    await taker.courier.start();
    const job = taker.send({ paths: [logs] });
    const { statusDetails } = await taker.waitFor(job, (execution) => execution.statusDetails.waiting !== undefined);
    expect(statusDetails.waiting).toMatch(/s3:PutObject/);
    taker.control.cancelJob(job, { force: true });
    await taker.courier.logged('the job is over in the cloud');
    await taker.until('given up', () => copies().length === 0 && taker.status?.current === undefined);
    taker.cloud.faults.clear();
    expect(taker.courier.component.status().uploads).toMatchObject({ queued: 0, done: 0 });
  });

  it('sends nothing more once it is cancelled in the middle, and what was under way is no failure', async () => {
    await begin({}, { config: { upload: { parallelFiles: 1, stallSeconds: 60 } } });
    const stall = taker.cloud.faults.add({ kind: 'stall', operation: 'PutObject', skip: 1 });
    await taker.courier.start();
    const job = taker.send({ paths: [logs] });
    await stall.waitForHits();
    const count = () => taker.courier.component.status().uploads;
    await taker.until('one under way, one taken ahead', () => count().done === 1 && count().uploading === 2);
    taker.control.cancelJob(job, { force: true });
    await taker.until('over', () => taker.status?.ended.length === 1);
    expect(copies()).toEqual([]);
    stall.release();
    writeFileSync(join(logs, 'next'), 'four\n');
    expect((await taker.ended(taker.send({ paths: ['next'] }))).status).toBe('SUCCEEDED');
    await taker.until('counted', () => count().done === 2);
    expect(count()).toMatchObject({ superseded: 2, failed: 0, queued: 0, uploading: 0 });
    expect(taker.courier.logs.filter(({ level }) => level === 'error')).toEqual([]);
    expect(taker.cloud.requests.filter(({ operation }) => operation === 'PutObject')).toHaveLength(3);
  });

  it('fails when nothing of it may go for so long, and lets the next one pass', async () => {
    const clock = new SkippingClock();
    await begin({}, { edge: { clock } });
    taker.courier.sections.jobs = { uploadRoots: [logs], retryMinutes: 1, dir: taker.folder };
    const denied = taker.cloud.faults.add({
      kind: 'error',
      operation: 'PutObject',
      key: /\/jobs\//,
      code: 'AccessDenied',
      count: Number.POSITIVE_INFINITY,
    });
    await taker.courier.start();
    const job = taker.send({ paths: [logs] });
    const next = taker.send({ url: taker.url(await taker.put('one', '1')) });
    await taker.waitFor(job, ({ statusDetails }) => statusDetails.waiting !== undefined);
    expect(taker.control.describeJobExecution(next, Courier.thing).status).toBe('QUEUED');
    clock.skip(61_000);
    const { status, statusDetails } = await taker.ended(job);
    expect([status, statusDetails.code, statusDetails.reason]).toEqual([
      'FAILED',
      'ACCESS_DENIED',
      expect.stringMatching(/s3:PutObject/),
    ]);
    expect((await taker.ended(next)).status).toBe('SUCCEEDED');
    denied.remove();
    expect(taker.courier.component.status().uploads).toMatchObject({
      queued: 0,
      uploading: 0,
      failed: 0,
      superseded: 3,
    });
    expect(copies()).toEqual([]);
    const other = taker.send({ paths: ['a.log'] });
    expect((await taker.ended(other)).status).toBe('SUCCEEDED');
    expect(taker.courier.keys().filter((key) => key.startsWith('device00/jobs/'))).toEqual([keyOf(other, 'a.log')]);
  });

  it('leaves no failed file behind when it is cancelled', async () => {
    await begin({ copyMaxBytes: 0 });
    const down = taker.cloud.faults.add({ kind: 'slowDown', operation: 'PutObject', count: Number.POSITIVE_INFINITY });
    await taker.courier.start();
    const job = taker.send({ paths: ['a.log', 'c.txt'] });
    await down.waitForHits();
    rmSync(join(logs, 'a.log'));
    await taker.until('failed', () => taker.courier.component.status().uploads.failed === 1);
    taker.control.cancelJob(job, { force: true });
    await taker.until('over', () => taker.status?.ended.length === 1);
    expect(taker.courier.component.status().uploads).toMatchObject({
      queued: 0,
      uploading: 0,
      failed: 0,
      superseded: 2,
    });
  });

  it('brings a file by key with its own credentials, with the mode it had', async () => {
    await begin();
    taker.courier.sections.jobs = { dir: taker.folder };
    await taker.put('device00/tools/run.sh', '#!/bin/sh');
    await taker.courier.start();
    const job = taker.send({ key: 'device00/tools/run.sh', mode: '0755' });
    expect((await taker.ended(job)).statusDetails).toMatchObject({ verified: 'crc32', path: 'run.sh' });
    const missing = await taker.ended(taker.send({ key: 'device00/tools/none.sh' }));
    expect([missing.status, missing.statusDetails.reason]).toEqual([
      'FAILED',
      expect.stringMatching(/there is no object/),
    ]);
  });

  it('says why a key does not come', async () => {
    await begin();
    taker.courier.sections.jobs = { dir: taker.folder };
    await taker.courier.start();
    const job = taker.send({ key: 'other/secret.bin' });
    const { status, statusDetails } = await taker.waitFor(job, (one) => one.statusDetails.waiting !== undefined);
    expect([status, statusDetails.waiting]).toEqual([
      'IN_PROGRESS',
      expect.stringMatching(/denies s3:GetObject.*other/),
    ]);
  });

  it('is rejected where nothing is given away', async () => {
    await begin();
    taker.courier.sections.jobs = { dir: taker.folder };
    await taker.courier.start();
    const { status, statusDetails } = await taker.ended(taker.send({ paths: ['a.log'] }));
    expect([status, statusDetails.reason]).toEqual(['REJECTED', expect.stringMatching(/set jobs\.uploadRoots/)]);
  });
});
