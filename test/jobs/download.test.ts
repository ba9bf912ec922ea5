import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import { JobTaker } from '../support/job-taker';
import { until } from '../support/until';

let taker: JobTaker;

beforeEach(async () => {
  taker = await JobTaker.create();
});
afterEach(() => taker.end());

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

describe('a job that brings files', () => {
  it("is seed D's: its document, its policy, a word of the user's, and nothing else configured", async () => {
    await taker.put('firmware/app 1.0+b.bin', 'new firmware');
    await taker.courier.start();
    const document = {
      operation: 'my-own-word',
      version: '1.0',
      url: taker.url('firmware/app 1.0+b.bin'),
      note: { a: 1 },
    };
    const execution = await taker.ended(taker.send(document));
    expect(execution).toMatchObject({ status: 'SUCCEEDED', executionNumber: 1 });
    expect(execution.statusDetails).toEqual({ files: '1', bytes: '12', path: 'app 1.0+b.bin', verified: 'md5' });
    expect(taker.files).toEqual(['app 1.0+b.bin']);
    expect(taker.read('app 1.0+b.bin').toString()).toBe('new firmware');
    expect(statSync(join(taker.folder, 'app 1.0+b.bin')).mode & 0o777).toBe(0o644);
    await taker.until('settled', () => taker.status?.unreported === 0 && taker.status.ended.length === 1);
    expect(taker.status).toMatchObject({ current: undefined, problems: [] });
  });

  it('finds what was sent while it was away, and does one after the other', async () => {
    const ids = [];
    for (const name of ['a', 'b', 'c']) ids.push(taker.send({ url: taker.url(await taker.put(`${name}.txt`, name)) }));
    await taker.courier.start();
    for (const id of ids) expect((await taker.ended(id)).status).toBe('SUCCEEDED');
    expect(taker.files).toEqual(['a.txt', 'b.txt', 'c.txt']);
    const begun = ids.map((id) => taker.control.describeJobExecution(id, Courier.thing).startedAt!);
    expect(begun).toEqual([...begun].sort());
  });

  it('gives a file its path, mode and checksum, over what is there', async () => {
    mkdirSync(join(taker.folder, 'etc'), { recursive: true });
    writeFileSync(join(taker.folder, 'etc/app.conf'), 'old');
    await taker.put('conf', 'new');
    await taker.courier.start();
    const job = taker.send({
      url: taker.url('conf'),
      path: 'etc/app.conf',
      mode: '0600',
      sha256: sha256('new').toUpperCase(),
      size: 3,
    });
    expect((await taker.ended(job)).statusDetails).toMatchObject({ verified: 'sha256', path: 'etc/app.conf' });
    expect(taker.read('etc/app.conf').toString()).toBe('new');
    expect(statSync(join(taker.folder, 'etc/app.conf')).mode & 0o777).toBe(0o600);
    expect(taker.files).toEqual(['etc/app.conf']);
  });

  it('brings several files, all or none', async () => {
    await taker.put('one', '1');
    await taker.put('two', '22');
    await taker.courier.start();
    const files = [
      { url: taker.url('one'), path: 'set/one' },
      { url: taker.url('two'), path: 'set/two' },
    ];
    const missing = await taker.ended(
      taker.send({ files: [...files, { url: taker.url('three'), path: 'set/three' }] }),
    );
    expect(missing).toMatchObject({ status: 'FAILED', statusDetails: { code: 'URL_REFUSED' } });
    expect(missing.statusDetails.reason).toMatch(/three.*send the job again$/);
    expect(taker.files).toEqual([]);
    const damaged = await taker.ended(
      taker.send({ files: [files[0], { ...files[1], sha256: sha256('other') }] }),
      90_000,
    );
    expect(damaged).toMatchObject({ status: 'FAILED', statusDetails: { code: 'DOWNLOAD_DAMAGED' } });
    expect(taker.files).toEqual([]);
    expect((await taker.ended(taker.send({ files }))).statusDetails).toMatchObject({ files: '2', bytes: '3' });
    expect(taker.files).toEqual(['set/one', 'set/two']);
  });

  it('lands nothing where a symlink leads out of its folder, or a folder is in the way', async () => {
    mkdirSync(join(taker.courier.dir, 'elsewhere'));
    mkdirSync(join(taker.folder, 'taken'), { recursive: true });
    symlinkSync('../elsewhere', join(taker.folder, 'link'));
    await taker.put('one', '1');
    await taker.courier.start();
    for (const path of ['link/x', 'taken']) {
      const { status, statusDetails } = await taker.ended(taker.send({ url: taker.url('one'), path }));
      expect([path, status, statusDetails.code]).toEqual([path, 'FAILED', 'PATH_REFUSED']);
    }
    expect(taker.files).toEqual(['link']);
  });

  it('begins with another version where the one it had begun with is gone', async () => {
    const first = randomBytes(3_000_000);
    const second = randomBytes(2_000_000);
    await taker.put('big', first);
    const cut = taker.cloud.faults.add({ kind: 'truncate', operation: 'GetObject' });
    // It goes on at once: not before the other version is there.
    const held = taker.cloud.faults.add({ kind: 'stall', operation: 'GetObject' });
    await taker.courier.start();
    const job = taker.send({ url: taker.url('big') });
    await cut.waitForHits();
    await taker.put('big', second);
    held.release();
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
    expect(taker.read('big').equals(second)).toBe(true);
  });

  it('goes on from the last byte, by a fresh URL, after the one it had has expired', async () => {
    const content = randomBytes(4_000_000);
    await taker.put('big', content);
    taker.cloud.faults.add({ kind: 'truncate', operation: 'GetObject' });
    const cut = taker.cloud.nextRequest(({ operation }) => operation === 'GetObject');
    await taker.courier.start();
    const job = taker.send({ url: taker.url('big') });
    await cut;
    taker.cloud.clockOffsetMs = 3_601_000; // an hour is what it lives
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
    expect(taker.read('big').equals(content)).toBe(true);
    const gets = taker.cloud.requests.filter(({ operation }) => operation === 'GetObject');
    // The cloud's time tells that it has expired, or else S3 does.
    expect(gets.map(({ status }) => status).filter((status) => status !== 403)).toEqual([200, 206]);
    expect(taker.cloud.jobs.requests.map(({ operation }) => operation)).toContain('DescribeJobExecution');
  });

  it('looks through what it has once, though the URL has expired when it is done with that', async () => {
    const content = randomBytes(4_000_000);
    await taker.put('big', content);
    const cut = taker.cloud.faults.add({ kind: 'truncate', operation: 'GetObject' });
    taker.cloud.faults.add({ kind: 'error', operation: 'GetObject', code: 'ExpiredToken' });
    await taker.courier.start();
    const job = taker.send({ url: taker.url('big') });
    await cut.waitForHits();
    expect((await taker.ended(job)).status).toBe('SUCCEEDED');
    expect(taker.read('big').equals(content)).toBe(true);
    const gets = taker.cloud.requests.filter(({ operation }) => operation === 'GetObject');
    expect(gets.map(({ status }) => status)).toEqual([200, 400, 206]);
    const failed = taker.courier.logs.filter(({ message }) => message === 'attempt failed, another follows');
    expect(failed.map(({ code }) => code)).toEqual(['S3_UNREACHABLE']);
  });

  it('ends when that is the answer to its asking for a fresh URL', async () => {
    await taker.put('big', randomBytes(4_000_000));
    taker.cloud.faults.add({ kind: 'truncate', operation: 'GetObject' });
    taker.cloud.faults.add({ kind: 'error', operation: 'GetObject', code: 'ExpiredToken' });
    taker.cloud.jobs.faults.add({ kind: 'error', operation: 'DescribeJobExecution', code: 'TerminalStateReached' });
    await taker.courier.start();
    const job = taker.send({ url: taker.url('big') });
    const [line] = await taker.courier.logged('the job is over in the cloud');
    expect(line).toMatchObject({ job, reason: 'TerminalStateReached' });
    expect((await taker.ended(job)).status).toBe('SUCCEEDED'); // for the cloud hands it out all the same
  });

  it('says when a URL is expired for good, and when its session is', async () => {
    await taker.put('one', '1');
    await taker.courier.start();
    taker.cloud.faults.add({ kind: 'error', operation: 'GetObject', code: 'ExpiredToken', count: 2 });
    expect((await taker.ended(taker.send({ url: taker.url('one') }))).status).toBe('SUCCEEDED');
    await taker.ended(taker.send({ url: taker.url('one') }, { expiresInSec: 1 }));
    const stale = taker.lastUrl();
    await until('expired', async () => (await taker.get(stale)).status === 403);
    const { status, statusDetails } = await taker.ended(taker.send({ url: stale }));
    expect([status, statusDetails.code]).toEqual(['FAILED', 'URL_EXPIRED']);
    expect(JSON.stringify([statusDetails, taker.courier.logs])).not.toMatch(/X-Amz/i);
  });
});
