import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { type RawCredentials, type RawRequest, RawS3, sha256 } from '../support/cloud-raw-s3';
import { LocalCloud } from './local-cloud';
import { adminPolicy, seedEPolicy } from './seed-policies';

const MIN_PART = 5 * 1024 * 1024;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'local-cloud-restart-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function beginUpload(raw: RawS3, path: string): Promise<string> {
  const created = await raw.send({ method: 'POST', path, query: { uploads: '' } });
  return /<UploadId>([^<]+)/.exec(created.text)![1]!;
}

async function sendPart(raw: RawS3, path: string, uploadId: string, partNumber: number, body: Buffer): Promise<string> {
  const sent = await raw.send({ method: 'PUT', path, query: { uploadId, partNumber: String(partNumber) }, body });
  return `<Part><PartNumber>${partNumber}</PartNumber><ETag>${sent.headers.etag}</ETag></Part>`;
}

function complete(path: string, uploadId: string, parts: string[]): RawRequest {
  return {
    method: 'POST',
    path,
    query: { uploadId },
    body: `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`,
  };
}

function blobCount(): number {
  const blobs = join(dir, 's3', 'blobs');
  return readdirSync(blobs).reduce((sum, shard) => sum + readdirSync(join(blobs, shard)).length, 0);
}

test('after a restart all is there again: account, objects, uploads, tokens, the memory of completed uploads', async () => {
  let cloud = await LocalCloud.start({ dir });
  cloud.createBucket('depot');
  cloud.createRoleAlias('courier', { policy: seedEPolicy('depot') });
  const thing = await cloud.createThing('thing');
  const credentials = cloud.issueCredentials({ policy: adminPolicy() });
  const { s3Port, credentialsPort, admin } = cloud;
  let raw = new RawS3(cloud.s3Endpoint, cloud.caFile, credentials);
  await raw.send({
    method: 'PUT',
    path: '/depot/kept',
    body: 'kept',
    headers: { 'x-amz-tagging': 'k=v', 'x-amz-meta-a': 'b' },
  });
  await raw.send({ method: 'PUT', path: '/depot/replaced', body: 'before' });
  await raw.send({ method: 'PUT', path: '/depot/replaced', body: 'after' });
  await raw.send({ method: 'PUT', path: '/depot/copy', headers: { 'x-amz-copy-source': 'depot/replaced' } });
  await raw.send({ method: 'DELETE', path: '/depot/replaced' });
  const large = Buffer.alloc(20_000_000, 'large');
  await raw.send({ method: 'PUT', path: '/depot/source', body: large });
  // While its bytes are digested for the copy, the source goes.
  const copying = raw.send({
    method: 'PUT',
    path: '/depot/outlived',
    headers: { 'x-amz-copy-source': 'depot/source' },
  });
  const removed = await raw.send({ method: 'DELETE', path: '/depot/source' });
  expect([(await copying).status, removed.status]).toEqual([200, 204]);
  const open = await beginUpload(raw, '/depot/open');
  const parts = [await sendPart(raw, '/depot/open', open, 1, Buffer.alloc(MIN_PART, 1))];
  const done = await beginUpload(raw, '/depot/done');
  const completing = complete('/depot/done', done, [await sendPart(raw, '/depot/done', done, 1, Buffer.from('d'))]);
  const first = await raw.send(completing);
  raw.close();
  await cloud.stop();
  writeFileSync(join(dir, 's3', 'blobs', '00', '00orphan'), 'of a request that a kill cut short');

  cloud = await LocalCloud.start({ dir, s3Port, credentialsPort });
  raw = new RawS3(cloud.s3Endpoint, cloud.caFile, credentials);
  try {
    expect([cloud.s3Port, cloud.credentialsPort, cloud.admin]).toEqual([s3Port, credentialsPort, admin]);
    expect(await cloud.createThing('thing')).toEqual(thing);
    expect(cloud.objects('depot').map(({ key }) => key)).toEqual(['copy', 'done', 'kept', 'outlived']);
    expect(await cloud.sha256('depot', 'outlived')).toBe(sha256(large));
    expect(await cloud.sha256('depot', 'copy')).toBe(sha256('after'));
    expect(cloud.findObject('depot', 'kept')).toMatchObject({ tags: { k: 'v' }, headers: { 'x-amz-meta-a': 'b' } });
    expect(cloud.multipartUploads('depot')).toMatchObject([
      { uploadId: open, parts: [{ partNumber: 1, sizeBytes: MIN_PART }] },
    ]);
    expect(await raw.send(completing)).toMatchObject({ status: 200, text: first.text });
    parts.push(await sendPart(raw, '/depot/open', open, 2, Buffer.from('end')));
    expect((await raw.send(complete('/depot/open', open, parts))).status).toBe(200);
    expect(await cloud.sha256('depot', 'open')).toBe(
      sha256(Buffer.concat([Buffer.alloc(MIN_PART, 1), Buffer.from('end')])),
    );
    // kept, copy, done, outlived, and the two parts of open: nothing else is left on disk.
    expect(blobCount()).toBe(6);
  } finally {
    raw.close();
    await cloud.stop();
  }
});

test('jobs are there again after a restart, their timers too', async () => {
  const start = async (): Promise<LocalCloud> => LocalCloud.start({ dir });
  let cloud = await start();
  await cloud.createThing('thing');
  for (const jobId of ['begun', 'queued']) {
    const timeoutConfig = { inProgressTimeoutInMinutes: 10 };
    cloud.jobs.control.createJob({ jobId, targets: ['thing'], document: { operation: jobId }, timeoutConfig });
  }
  const startNext = (body: object = {}): object => {
    let said: object = {};
    cloud.jobs.hear('$aws/things/thing/jobs/start-next', Buffer.from(JSON.stringify(body)), (_, answer) => {
      said = answer;
    });
    return said;
  };
  startNext({ statusDetails: { at: '10' } });
  await cloud.stop();

  cloud = await start();
  try {
    expect(startNext()).toMatchObject({
      execution: { jobId: 'begun', versionNumber: 2, statusDetails: { at: '10' }, jobDocument: { operation: 'begun' } },
    });
    cloud.clockOffsetMs = 11 * 60_000;
    await cloud.jobs.control.waitForExecution('begun', 'thing', ({ status }) => status === 'TIMED_OUT');
    expect(startNext()).toMatchObject({ execution: { jobId: 'queued' } });
  } finally {
    await cloud.stop();
  }
});

/** The cloud in a process of its own, as main.ts runs it. */
class CloudProcess {
  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: AsyncIterator<string>,
    readonly ready: { s3Endpoint: string; caFile: string; admin: RawCredentials },
  ) {}

  static async start(...options: string[]): Promise<CloudProcess> {
    const main = join(__dirname, 'main.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', main, '--dir', dir, '--exit-with-stdin', ...options], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const reader: Interface = createInterface({ input: child.stdout! });
    const lines = reader[Symbol.asyncIterator]();
    return new CloudProcess(child, lines, JSON.parse((await lines.next()).value as string));
  }

  async ask(command: object): Promise<unknown> {
    this.child.stdin!.write(`${JSON.stringify(command)}\n`);
    return JSON.parse((await this.lines.next()).value as string) as unknown;
  }

  async kill(signal: NodeJS.Signals): Promise<number | null> {
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    return ((await exited) as [number | null])[0];
  }
}

test('after SIGKILL in the middle of writing, all that was answered is there', async () => {
  const first = await CloudProcess.start();
  const { s3Endpoint, caFile, admin } = first.ready;
  expect(await first.ask({ do: 'createBucket', args: ['depot'], id: 1 })).toEqual({ id: 1, ok: true });
  await first.ask({ do: 'createThing', args: ['thing'] });
  await first.ask({ do: 'createJob', args: [{ jobId: 'job', targets: ['thing'], document: {} }] });
  let raw = new RawS3(s3Endpoint, caFile, admin);
  const answered: string[] = [];
  let killed = false;
  const writer = async (name: number): Promise<void> => {
    for (let at = 0; !killed; at++) {
      const key = `${name}-${at}`;
      const body = Buffer.alloc(at % 5 === 4 ? 400_000 : 100, key);
      const sent = await raw.send({ method: 'PUT', path: `/depot/${key}`, body }).catch(() => undefined);
      if (sent?.status === 200) answered.push(key);
    }
  };
  const writers = [0, 1, 2, 3].map(writer);
  await first.ask({ do: 'addFault', args: [{ kind: 'corrupt', operation: 'PutObject', skip: 150 }] });
  await first.ask({ do: 'waitForFaultHits', args: [0, 1] });
  await first.kill('SIGKILL');
  killed = true;
  await Promise.all(writers);
  raw.close();

  const second = await CloudProcess.start('--s3-port', new URL(s3Endpoint).port);
  raw = new RawS3(s3Endpoint, caFile, admin);
  expect(second.ready.s3Endpoint).toBe(s3Endpoint);
  expect(answered.length).toBeGreaterThan(100);
  for (const key of answered) {
    const size = Number(key.split('-')[1]) % 5 === 4 ? 400_000 : 100;
    const found = (await second.ask({ do: 'sha256', args: ['depot', key] })) as { value: string };
    expect([key, found.value]).toEqual([key, sha256(Buffer.alloc(size, key))]);
  }
  expect(await second.ask({ do: 'describeJobExecution', args: ['job', 'thing'] })).toMatchObject({
    value: { status: 'QUEUED' },
  });
  raw.close();
  expect(await second.kill('SIGTERM')).toBe(0);
});

test('a process answers its parent, refuses what it does not know, and leaves with it', async () => {
  const cloud = await CloudProcess.start('--min-presign-seconds', '5');
  expect(await cloud.ask({ do: 'exit', id: 'x' })).toEqual({ id: 'x', ok: false, error: 'no command exit' });
  expect(await cloud.ask({ do: 'sha256', args: ['depot', 'absent'] })).toMatchObject({ ok: false });
  expect(
    await cloud.ask({
      do: 'addFault',
      args: [{ kind: 'slowDown', operation: '*', keyPattern: '^x', count: 'Infinity' }],
    }),
  ).toEqual({ ok: true, value: 0 });
  expect(
    await cloud.ask({ do: 'addJobsFault', args: [{ kind: 'error', code: 'InternalError', operation: '*', count: 2 }] }),
  ).toEqual({ ok: true, value: 1 });
  await cloud.ask({ do: 'createThing', args: ['thing'] });
  const presignedUrlConfig = { expiresInSec: 5 };
  const job = { jobId: 'job', targets: ['thing'], document: { operation: 'test' }, presignedUrlConfig };
  expect(await cloud.ask({ do: 'createJob', args: [job] })).toMatchObject({ ok: true, value: { jobId: 'job' } });
  expect(await cloud.ask({ do: 'createJob', args: [job] })).toMatchObject({ ok: false });
  await cloud.ask({ do: 'cancelJob', args: ['job'] });
  expect(await cloud.ask({ do: 'describeJobExecution', args: ['job', 'thing'] })).toMatchObject({
    value: { status: 'CANCELED' },
  });
  expect(await cloud.ask({ do: 'jobsRequests' })).toEqual({ ok: true, value: [] });
  const { s3Endpoint, caFile, admin } = cloud.ready;
  const raw = new RawS3(s3Endpoint, caFile, admin);
  expect((await raw.send({ path: '/depot/xyz' })).code).toBe('SlowDown');
  expect(await cloud.ask({ do: 'faultHits', args: [0] })).toEqual({ ok: true, value: 1 });
  raw.close();
  expect(await cloud.kill('SIGINT')).toBe(0);
});
