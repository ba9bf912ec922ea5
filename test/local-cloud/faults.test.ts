import { once } from 'node:events';
import { connect } from 'node:net';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { CloudFixture } from '../support/cloud-fixture';
import { type RawRequest, type RawS3, sha256 } from '../support/cloud-raw-s3';
import type { Fault } from './fault-plan';
import { seededRandom } from './seeded-random';

let fixture: CloudFixture;
let raw: RawS3;
let s3: S3Client;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  raw = fixture.raw();
  s3 = fixture.s3();
  await raw.send({ method: 'PUT', path: '/depot/present', body: '0123456789' });
});
afterAll(() => fixture.stop());
afterEach(() => fixture.cloud.faults.clear());

const body = Buffer.alloc(500_000, 'x');
const put: RawRequest = { method: 'PUT', path: '/depot/new', body, payloadHash: 'UNSIGNED-PAYLOAD' };
const remove = () => raw.send({ method: 'DELETE', path: '/depot/new' });
const stored = () => fixture.cloud.findObject('depot', 'new') !== undefined;
const CUT = /hang up|ECONNRESET|EPIPE|aborted/;

/** What the client sees, and whether the object is there afterwards. */
test.each<[Partial<Fault> & Pick<Fault, 'kind'>, string, boolean]>([
  [{ kind: 'drop' }, 'cut', false],
  [{ kind: 'drop', afterBytes: 100_000 }, 'cut', false],
  [{ kind: 'dropAfter' }, 'cut', true],
  [{ kind: 'truncate' }, 'cut', true],
  [{ kind: 'slowDown' }, '503 SlowDown', false],
  [{ kind: 'internalError' }, '500 InternalError', false],
  [{ kind: 'error', code: 'RequestTimeout' }, '400 RequestTimeout', false],
  [{ kind: 'conflict409' }, '409 ConditionalRequestConflict', false],
  [{ kind: 'corrupt' }, '200', true],
])('%j → %s, stored: %s; the next request is well again', async (fault, expected, there) => {
  await remove();
  const armed = fixture.cloud.faults.add({ operation: 'PutObject', ...fault });
  const answer = await raw.send(put).then(
    ({ status, code }) => `${status} ${code ?? ''}`.trim(),
    (error: Error) => (CUT.test(error.message) ? 'cut' : error.message),
  );
  expect([answer, stored(), armed.hits]).toEqual([expected, there, 1]);
  expect(fixture.cloud.requests.at(-1)).toMatchObject({ operation: 'PutObject', key: 'new', fault: fault.kind });
  expect((await raw.send(put)).status).toBe(200);
  expect(await fixture.cloud.sha256('depot', 'new')).toBe(sha256(body));
});

test('a flipped bit is found by any checksum, and by none when there is none', async () => {
  const { faults } = fixture.cloud;
  faults.add({ kind: 'corrupt', operation: 'PutObject', count: 2 });
  const crc = await raw.send({ ...put, headers: { 'x-amz-checksum-crc32': crcOf(body) } });
  const hash = await raw.send({ ...put, payloadHash: sha256(body) });
  expect([crc.code, hash.code]).toEqual(['BadDigest', 'XAmzContentSHA256Mismatch']);
  faults.add({ kind: 'corrupt', operation: 'PutObject' });
  expect((await raw.send(put)).status).toBe(200);
  expect(await fixture.cloud.sha256('depot', 'new')).not.toBe(sha256(body));
});

test('error200: success that is none', async () => {
  fixture.cloud.faults.add({ kind: 'error200', operation: 'CopyObject' });
  const copy: RawRequest = { method: 'PUT', path: '/depot/copy', headers: { 'x-amz-copy-source': 'depot/present' } };
  const answer = await raw.send(copy);
  expect([answer.status, answer.code]).toEqual([200, 'InternalError']);
  expect(fixture.cloud.findObject('depot', 'copy')).toBeUndefined();
});

test('a truncated GET ends before its length', async () => {
  await raw.send({ ...put, path: '/depot/large' });
  fixture.cloud.faults.add({ kind: 'truncate', operation: 'GetObject', count: 2 });
  for (const Key of ['present', 'large']) {
    const read = await s3.send(new GetObjectCommand({ Bucket: 'depot', Key }));
    await expect(read.Body!.transformToByteArray()).rejects.toThrow();
  }
});

test('stall answers once it is released, and is forgotten when the client leaves', async () => {
  const stall = fixture.cloud.faults.add({ kind: 'stall', operation: 'GetObject', count: 2 });
  const answer = raw.send({ path: '/depot/present' });
  const leaving = new AbortController();
  const left = s3.send(new GetObjectCommand({ Bucket: 'depot', Key: 'present' }), { abortSignal: leaving.signal });
  await stall.waitForHits(2);
  const noticed = fixture.cloud.nextRequest(({ status }) => status === 0);
  leaving.abort();
  await expect(left).rejects.toThrow('aborted');
  await noticed;
  stall.release();
  expect((await answer).text).toBe('0123456789');
});

test('by operation, key, count, after some that pass, and by chance', async () => {
  const { faults } = fixture.cloud;
  const get = async (key: string): Promise<number> => (await raw.send({ path: `/depot/${key}` })).status;
  const statuses = async (count: number, key = 'present'): Promise<number[]> => {
    const seen: number[] = [];
    for (let at = 0; at < count; at++) seen.push(await get(key));
    return seen;
  };
  faults.add({ kind: 'slowDown', operation: 'GetObject', key: /^other/, count: Infinity });
  expect(await statuses(1)).toEqual([200]);
  expect(await statuses(2, 'other/x')).toEqual([503, 503]);
  faults.clear();
  faults.add({ kind: 'slowDown', operation: '*', key: 'present', skip: 1, count: 2 });
  expect(await statuses(4)).toEqual([200, 503, 503, 200]);
  const armed = faults.add({ kind: 'slowDown', operation: 'GetObject', probability: 0.5, random: seededRandom(7) });
  const byChance = await statuses(40);
  expect(byChance.filter((status) => status === 503)).toHaveLength(armed.hits);
  expect(armed.hits).toBeGreaterThan(10);
  expect(armed.hits).toBeLessThan(30);
  armed.remove();
  expect(await statuses(1)).toEqual([200]);
});

test('offline: connections are cut and refused; online again on the same port', async () => {
  const stall = fixture.cloud.faults.add({ kind: 'stall', operation: 'GetObject' });
  const waiting = raw.send({ path: '/depot/present' });
  const failed = expect(waiting).rejects.toThrow(CUT);
  await stall.waitForHits();
  const endpoint = fixture.cloud.s3Endpoint;
  await fixture.cloud.goOffline();
  await failed;
  const socket = connect(fixture.cloud.s3Port, '127.0.0.1');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
  await fixture.cloud.goOnline();
  expect(fixture.cloud.s3Endpoint).toBe(endpoint);
  expect((await raw.send({ path: '/depot/present' })).status).toBe(200);
});

test('what was asked is recorded and counted', async () => {
  fixture.cloud.clearRequests();
  await raw.send(put);
  await raw.send({ path: '/depot/absent' });
  expect(fixture.cloud.requests).toMatchObject([
    { operation: 'PutObject', bucket: 'depot', key: 'new', status: 200, bytesIn: body.length },
    { operation: 'GetObject', key: 'absent', status: 404, errorCode: 'NoSuchKey', bytesIn: 0 },
  ]);
  expect(fixture.cloud.counters).toEqual({ PutObject: 1, GetObject: 1 });
});

function crcOf(bytes: Buffer): string {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(crc32(bytes));
  return out.toString('base64');
}
