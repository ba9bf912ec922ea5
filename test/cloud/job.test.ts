import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../engines/find-program';
import { itWhere } from '../support/needs';
import { until } from '../support/until';
import { type Cut, InterruptingProxy } from './interrupting-proxy';
import { BUCKET, OperatorSite } from './operator-site';
import { SiteDevice } from './site-device';

const CLOUD = resolve(__dirname, '../../dist/cloud.js');
const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

/** At all requests, and not only where it counts most. */
const EVERYWHERE = process.env.CRASH_FULL === '1';

describe('courier cloud job', () => {
  let site: OperatorSite;
  beforeAll(async () => {
    site = await OperatorSite.start();
    await site.cloud.createThing('pump-1');
    await site.cloud.createThing('pump-2');
    site.cloud.createThingGroup('pumps', ['pump-1', 'pump-2']);
  });
  afterAll(() => site.end());

  const jobs = () => site.cloud.jobs.control;
  /** What whoever says the next command has to name again. */
  const again = (): string => ` --endpoint-url ${site.endpointUrl}`;
  const write = (name: string, content: string | Buffer): string => {
    const path = join(site.dir, name);
    writeFileSync(path, content);
    return path;
  };
  const idIn = (stdout: string): string => /^job (\S+):/m.exec(stdout)![1]!;
  const isThere = (id: string): boolean => {
    try {
      return jobs().describeJob(id) !== undefined;
    } catch {
      return false;
    }
  };
  const looks = (id: string): boolean => site.cloud.control.calls.at(-1) === 'iot:DescribeJob' && isThere(id);

  /** As a device does. */
  const say = (thing: string, id: string, body: object): void =>
    site.cloud.jobs.hear(`$aws/things/${thing}/jobs/${id}/update`, Buffer.from(JSON.stringify(body)), () => undefined);

  it('brings files to the things of a group by one document, and tells how far it is', async () => {
    const device = await SiteDevice.start(site, 'device00');
    try {
      site.cloud.createThingGroup('plant', ['device00']);
      const large = randomBytes(9_000_000);
      write('app ü(1).bin', large);
      chmodSync(write('run.sh', 'echo\n'), 0o755);
      write('c.txt', 'c');
      const args = ['job', '--group', 'plant', '--file', 'app ü(1).bin', '--file', 'run.sh', '--file', 'c.txt'];
      const { status, stdout, stderr } = await site.run([...args, '--path', 'release/7', '--expires', '10m', '--wait']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const id = idIn(stdout);
      expect(stdout).toContain(`${id}: 1 of 1 ended (1 succeeded)\n`);
      expect(stdout).toContain('note: a document with 3 URLs does not reach devices under nucleus lite');
      expect(device.read('jobs/release/7/app ü(1).bin').equals(large)).toBe(true);
      expect(device.read('jobs/release/7/c.txt').toString()).toBe('c');
      expect(statSync(join(site.dir, 'device00.device/jobs/release/7/run.sh')).mode & 0o777).toBe(0o755);
      const url = (name: string): string =>
        `\${aws:iot:s3-presigned-url-v2:https://s3.eu-central-1.amazonaws.com/${BUCKET}/.jobs/${id}/${name}}`;
      const { document, presign, targets } = jobs().describeJob(id);
      expect(JSON.parse(document)).toEqual({
        operation: 'download',
        files: [
          {
            url: url('app%20%C3%BC%281%29.bin'),
            path: 'release/7/app ü(1).bin',
            sha256: sha256(large),
            size: 9_000_000,
          },
          { url: url('run.sh'), path: 'release/7/run.sh', sha256: sha256('echo\n'), size: 5, mode: '0755' },
          { url: url('c.txt'), path: 'release/7/c.txt', sha256: sha256('c'), size: 1 },
        ],
      });
      expect(presign).toMatchObject({ expiresSeconds: 600, roleArn: 'arn:aws:iam::123456789012:role/jobsrole' });
      expect(targets).toEqual(['arn:aws:iot:eu-central-1:123456789012:thinggroup/plant']);
      expect(jobs().describeJobExecution(id, 'device00').statusDetails).toMatchObject({ verified: 'sha256' });

      // As one archive: one URL, whatever the nucleus.
      const packed = await site.run([...args, '--pack', '--path', 'release/8', '--wait']);
      expect({ status: packed.status, stderr: packed.stderr }).toEqual({ status: 0, stderr: '' });
      expect(packed.stdout).not.toContain('note:');
      expect(device.read('jobs/release/8/app ü(1).bin').equals(large)).toBe(true);
      expect(statSync(join(site.dir, 'device00.device/jobs/release/8/run.sh')).mode & 0o777).toBe(0o755);
      expect(JSON.parse(jobs().describeJob(idIn(packed.stdout)).document)).toMatchObject({
        url: expect.stringContaining('/files.tar.gz}'),
        path: 'release/8',
        unpack: 'tar.gz',
      });
      expect(device.broken).toEqual([]);
    } finally {
      await device.stop();
    }
  });

  it('tells which things did not take it, and why', async () => {
    write('f.txt', 'f');
    const made = await site.run(['job', '--group', 'pumps', '--file', 'f.txt', '--id', 'release-7']);
    expect(made).toEqual({
      status: 0,
      stdout: `f.txt: sent, .jobs/release-7/f.txt\njob release-7: made\nWatch: courier cloud job --id release-7 --wait${again()}; cancel: aws iot cancel-job --job-id release-7${again()}\n`,
      stderr: '',
    });
    const running = site.run(['job', '--id', 'release-7', '--wait']);
    say('pump-1', 'release-7', { status: 'IN_PROGRESS' });
    say('pump-2', 'release-7', { status: 'SUCCEEDED' });
    say('pump-1', 'release-7', {
      status: 'FAILED',
      statusDetails: { code: 'NO_ROOM', reason: 'the disk is full; make room' },
    });
    const { status, stdout, stderr } = await running;
    expect(status).toBe(1);
    expect(stdout).toContain('release-7: 2 of 2 ended (1 succeeded, 1 failed)\n');
    expect(stdout).toContain('pump-1: FAILED, NO_ROOM: the disk is full; make room\n');
    expect(stderr).toBe(
      'courier: 1 of 2 things have not taken the job release-7; see courier status on them, then make another for them: --thing, and --id with a new id\n',
    );
  });

  itWhere(
    findProgram('script') === undefined ? 'script is not installed' : undefined,
    'shows a bar on a terminal, and no line for each change',
    async () => {
      write('f.txt', 'f');
      const command = [
        process.execPath,
        CLOUD,
        'job',
        '--thing',
        'pump-2',
        '--file',
        'f.txt',
        '--id',
        'shown',
        '--wait',
      ];
      const running = promisify(execFile)(
        'script',
        ['-qefc', [...command, '--endpoint-url', site.endpointUrl].join(' '), '/dev/null'],
        { cwd: site.dir, env: site.environment },
      );
      await until('it is there', () => isThere('shown'));
      await until('it was looked at', () => looks('shown'));
      say('pump-2', 'shown', { status: 'SUCCEEDED' });
      const { stdout } = await running;
      expect(stdout).toContain('[........................]   0 %  shown: 0 of 1 ended (1 queued)');
      expect(stdout).toContain('[########################] 100 %  shown: 1 of 1 ended (1 succeeded)');
      expect(stdout).not.toMatch(/^shown: 0 of 1/m);
      expect(stdout).toMatch(/shown: 1 of 1 ended \(1 succeeded\)\r\n$/);
    },
  );

  it('ends the watching, not the job, when it is interrupted', async () => {
    write('f.txt', 'f');
    const watched = until('it is there', () => isThere('long')).then(() =>
      until('it was looked at', () => looks('long')),
    );
    const { status, stderr } = await site.run(
      ['job', '--thing', 'pump-1', '--file', 'f.txt', '--id', 'long', '--wait'],
      { interrupt: watched },
    );
    expect(status).toBe(130);
    expect(stderr).toBe(
      `courier: stopped watching; the job goes on. Watch: courier cloud job --id long --wait${again()}; cancel: aws iot cancel-job --job-id long${again()}\n`,
    );
    expect(jobs().describeJob('long').status).toBe('IN_PROGRESS');

    const late = await site.run(['job', '--id', 'long', '--wait', '--timeout', '1s']);
    expect(late).toEqual({
      status: 1,
      stdout: 'long: 0 of 1 ended (1 queued)\n',
      stderr: `courier: the job long has not ended after 1s: 0 of 1 ended (1 queued); it goes on. See courier status on the things, and watch on: courier cloud job --id long --wait${again()}\n`,
    });
    jobs().cancelJob('long');
    expect((await site.run(['job', '--id', 'long', '--wait'])).stderr).toBe(
      'courier: the job long is CANCELED: 1 of 1 ended (1 canceled); things that had begun it may end it still. Another one: --id with a new id\n',
    );
  });

  describe('killed at a request', () => {
    const large = randomBytes(9_000_000);
    /** As the operator does: the same command again. @param requests how many it makes @param few counted from 1 */
    const killAndRepeat = async (
      cut: Cut,
      content: Buffer,
      requests: number,
      few: readonly number[],
    ): Promise<void> => {
      const moments = EVERYWHERE ? Array.from({ length: requests }, (_, i) => i + 1) : few;
      for (const nth of [...moments, requests + 1]) {
        const id = `${cut}-${content.length}-${nth}`;
        const args = ['job', '--thing', 'pump-1', '--file', basename(write('cut.bin', content)), '--id', id];
        const proxy = await InterruptingProxy.start(site.endpointUrl, nth, cut);
        const first = await site.run(args, { endpointUrl: proxy.url, kill: proxy.held });
        await proxy.stop();
        const wasMade = isThere(id);
        const again = await site.run(args);
        expect({ nth, status: again.status, stderr: again.stderr }).toEqual({ nth, status: 0, stderr: '' });
        expect(again.stdout).toContain(wasMade ? `job ${id}: there; ` : `job ${id}: made\n`);
        expect(await site.cloud.sha256(BUCKET, `.jobs/${id}/cut.bin`)).toBe(sha256(content));
        expect(
          site.cloud.requests.filter(
            ({ operation, key, status }) =>
              key === `.jobs/${id}/cut.bin` &&
              status === 200 &&
              ['PutObject', 'CompleteMultipartUpload'].includes(operation),
          ),
        ).toHaveLength(1);
        expect(first.status).toBe(nth <= requests ? undefined : 0);
      }
    };

    it('goes on, and sends nothing twice that is there', async () => {
      await killAndRepeat('after', large, 9, [7, 8, 9]); // the last part, its completion, the job
    });

    it('goes on when the request never came there', async () => {
      await killAndRepeat('before', Buffer.from('small'), 6, [5, 6]); // the object, the job
    });
  });

  it('is the same job when it is said again, and another when the file has changed', async () => {
    write('same.txt', 'one');
    const args = ['job', '--thing', 'pump-1', '--file', 'same.txt'];
    const id = idIn((await site.run(args)).stdout);
    expect(id).toMatch(/^courier-[0-9a-f]{32}$/);
    expect((await site.run(args)).stdout).toBe(
      `same.txt: there, .jobs/${id}/same.txt\njob ${id}: there; for another of the same files give --id a new id\nWatch: courier cloud job --id ${id} --wait${again()}; cancel: aws iot cancel-job --job-id ${id}${again()}\n`,
    );
    write('same.txt', 'two');
    expect(idIn((await site.run(args)).stdout)).not.toBe(id);
  });

  it('takes no file that changes between its digest and its end', async () => {
    const path = write('moving.bin', randomBytes(60_000_000));
    const held = site.cloud.faults.add({ kind: 'stall', operation: 'UploadPart', count: Number.POSITIVE_INFINITY });
    const running = site.run(['job', '--thing', 'pump-1', '--file', 'moving.bin', '--id', 'moving']);
    await held.waitForHits(4);
    appendFileSync(path, 'more');
    held.remove();
    held.release();
    expect(await running).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'courier: moving.bin has changed while it was read; nothing of it was sent: do it again when it is finished\n',
    });
    expect(isThere('moving')).toBe(false);
    expect(site.cloud.findObject(BUCKET, '.jobs/moving/moving.bin')).toBeUndefined();
  });
});
