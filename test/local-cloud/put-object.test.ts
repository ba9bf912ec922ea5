import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { type ChecksumAlgorithm, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CloudFixture } from '../support/cloud-fixture';
import type { RawRequest, RawS3 } from '../support/cloud-raw-s3';
import { seedAPolicy } from './seed-policies';

let fixture: CloudFixture;
let raw: RawS3;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  raw = fixture.raw();
});
afterAll(() => fixture.stop());

const body = 'the body';
const put: RawRequest = { method: 'PUT', path: '/depot/put', body };
const withHeaders = (headers: Record<string, string>): RawRequest => ({ ...put, headers });
const md5Of = (text: string): string => createHash('md5').update(text).digest('base64');
const crcOf = (text: string): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return bytes.toString('base64');
};
const tagHeader = (count: number): string => Array.from({ length: count }, (_, at) => `k${at}=v`).join('&');

describe('what the head says about the body', () => {
  test.each<[string, string, RawRequest]>([
    ['right MD5', '200', withHeaders({ 'content-md5': md5Of(body) })],
    ['MD5 of another body', '400 BadDigest', withHeaders({ 'content-md5': md5Of('x') })],
    ['no MD5 at all', '400 InvalidDigest', withHeaders({ 'content-md5': 'abc' })],
    ['right CRC32', '200', withHeaders({ 'x-amz-checksum-crc32': crcOf(body) })],
    ['wrong CRC32', '400 BadDigest', withHeaders({ 'x-amz-checksum-crc32': crcOf('x') })],
    ['CRC32 of wrong length', '400 InvalidRequest', withHeaders({ 'x-amz-checksum-crc32': 'AAAA' })],
    ['no base64', '400 InvalidRequest', withHeaders({ 'x-amz-checksum-crc32': '!!!!!!==' })],
    ['right CRC32C', '200', { ...withHeaders({ 'x-amz-checksum-crc32c': '4waSgw==' }), body: '123456789' }],
    ['wrong CRC32C', '400 BadDigest', withHeaders({ 'x-amz-checksum-crc32c': crcOf(body) })],
    ['wrong CRC64NVME', '400 BadDigest', withHeaders({ 'x-amz-checksum-crc64nvme': 'AAAAAAAAAAA=' })],
    ['wrong SHA1', '400 BadDigest', withHeaders({ 'x-amz-checksum-sha1': createHash('sha1').digest('base64') })],
    ['wrong SHA256', '400 BadDigest', withHeaders({ 'x-amz-checksum-sha256': createHash('sha256').digest('base64') })],
    [
      'two checksums',
      '400 InvalidRequest',
      withHeaders({
        'x-amz-checksum-crc32': crcOf(body),
        'x-amz-checksum-sha1': createHash('sha1').update(body).digest('base64'),
      }),
    ],
    ['algorithm named, none sent', '400 InvalidRequest', withHeaders({ 'x-amz-sdk-checksum-algorithm': 'CRC32' })],
    [
      'another algorithm named',
      '400 InvalidRequest',
      withHeaders({ 'x-amz-sdk-checksum-algorithm': 'SHA1', 'x-amz-checksum-crc32': crcOf(body) }),
    ],
    [
      'chunked transfer',
      '501 NotImplemented',
      {
        ...put,
        tamper: (w) => {
          delete w.headers['content-length'];
          w.headers['transfer-encoding'] = 'chunked';
        },
      },
    ],
    [
      'more than 5 GiB',
      '400 EntityTooLarge',
      {
        ...put,
        expectContinue: true,
        tamper: (w) => {
          w.headers['content-length'] = String(5 * 1024 ** 3 + 1);
        },
      },
    ],
  ])('%s → %s', async (_, expected, request) => {
    const answer = await raw.send(request);
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
  });

  test('no length', async () => {
    const answer = await raw.sendBytes(raw.headText({ method: 'PUT', path: '/depot/put' }), { end: true });
    expect(answer).toMatch(/^HTTP\/1\.1 411 .*<Code>MissingContentLength</s);
  });

  test('a body shorter than its length', async () => {
    const head = raw.headText({ ...put, body: 'x'.repeat(100) });
    const answer = await raw.sendBytes(`${head}only this`, { end: true });
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*<Code>IncompleteBody</s);
  });

  test('a body that stops coming', async () => {
    const { settings } = fixture.cloud;
    const before = settings.bodyIdleMs;
    settings.bodyIdleMs = 50;
    try {
      const head = raw.headText({ ...put, body: 'x'.repeat(100) });
      const answer = await raw.sendBytes(`${head}only this`, { end: false });
      expect(answer).toMatch(/^HTTP\/1\.1 400 .*<Code>RequestTimeout</s);
    } finally {
      settings.bodyIdleMs = before;
    }
  });
});

describe('what the head says about the object', () => {
  test.each<[string, string, RawRequest]>([
    ['key of 1024 bytes', '200', { ...put, path: `/depot/${'k'.repeat(1024)}` }],
    ['key of 1025 bytes', '400 KeyTooLongError', { ...put, path: `/depot/${'k'.repeat(1025)}` }],
    ['metadata of 2 KiB', '200', withHeaders({ 'x-amz-meta-a': 'x'.repeat(2047) })],
    ['metadata over 2 KiB', '400 MetadataTooLarge', withHeaders({ 'x-amz-meta-a': 'x'.repeat(2048) })],
    ['ten tags', '200', withHeaders({ 'x-amz-tagging': tagHeader(10) })],
    ['eleven tags', '400 InvalidArgument', withHeaders({ 'x-amz-tagging': tagHeader(11) })],
    ['tag key of 129', '400 InvalidTag', withHeaders({ 'x-amz-tagging': `${'k'.repeat(129)}=v` })],
    ['tag value of 257', '400 InvalidTag', withHeaders({ 'x-amz-tagging': `k=${'v'.repeat(257)}` })],
    ['tag twice', '400 InvalidTag', withHeaders({ 'x-amz-tagging': 'k=1&k=2' })],
    ['tag with a forbidden character', '400 InvalidTag', withHeaders({ 'x-amz-tagging': 'k=a%23b' })],
    ["tag of AWS's own", '400 InvalidTag', withHeaders({ 'x-amz-tagging': 'aws%3Ak=1' })],
    ['unknown storage class', '400 InvalidStorageClass', withHeaders({ 'x-amz-storage-class': 'ATTIC' })],
    ['unknown encryption', '400 InvalidArgument', withHeaders({ 'x-amz-server-side-encryption': 'rot13' })],
    ['KMS key without KMS', '400 InvalidArgument', withHeaders({ 'x-amz-server-side-encryption-aws-kms-key-id': 'k' })],
    ['object lock', '501 NotImplemented', withHeaders({ 'x-amz-object-lock-mode': 'GOVERNANCE' })],
    ['right owner', '200', withHeaders({ 'x-amz-expected-bucket-owner': '123456789012' })],
    ['wrong owner', '403 AccessDenied', withHeaders({ 'x-amz-expected-bucket-owner': '210987654321' })],
    ['If-None-Match with an ETag', '501 NotImplemented', withHeaders({ 'if-none-match': '"abc"' })],
    ['If-Match, no object', '404 NoSuchKey', { ...withHeaders({ 'if-match': '"abc"' }), path: '/depot/absent' }],
  ])('%s → %s', async (_, expected, request) => {
    const answer = await raw.send(request);
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
  });

  test('conditions are decided by the object there is', async () => {
    const path = '/depot/conditional';
    const first = await raw.send({ ...put, path, headers: { 'if-none-match': '*' } });
    const again = await raw.send({ ...put, path, headers: { 'if-none-match': '*' } });
    const wrong = await raw.send({ ...put, path, body: 'new', headers: { 'if-match': '"other"' } });
    const right = await raw.send({ ...put, path, body: 'new', headers: { 'if-match': String(first.headers.etag) } });
    expect([first, again, wrong, right].map(({ status }) => status)).toEqual([200, 412, 412, 200]);
  });

  test('and once more when the body is there: of two writers with If-None-Match one wins', async () => {
    const request: RawRequest = { ...put, path: '/depot/race', headers: { 'if-none-match': '*' } };
    const first = fixture.raw();
    const answer = await raw.send({ ...request, expectContinue: true, beforeBody: () => first.send(request) });
    expect([answer.continued, answer.code]).toEqual([true, 'PreconditionFailed']);
  });

  test('everything said comes back', async () => {
    const s3 = fixture.s3();
    const sent = {
      ContentType: 'text/csv',
      CacheControl: 'no-store',
      ContentDisposition: 'attachment',
      ContentEncoding: 'gzip',
      ContentLanguage: 'de',
      Metadata: { origin: 'field' },
      StorageClass: 'STANDARD_IA',
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: 'arn:aws:kms:eu-central-1:123456789012:key/k',
    } as const;
    const object = { Bucket: 'depot', Key: 'traits' };
    const stored = await s3.send(
      new PutObjectCommand({
        ...object,
        ...sent,
        Body: Readable.from([body]),
        ContentLength: body.length,
        Tagging: 'a=1&b=2',
      }),
    );
    const head = await s3.send(new HeadObjectCommand({ ...object, ChecksumMode: 'ENABLED' }));
    expect(head).toMatchObject({
      ...sent,
      ETag: stored.ETag,
      ChecksumCRC32: crcOf(body),
      ChecksumType: 'FULL_OBJECT',
      TagCount: 2,
    });
    // Under KMS the ETag is no MD5.
    expect(stored.ETag).not.toBe(`"${createHash('md5').update(body).digest('hex')}"`);
  });
});

describe('KMS keys of the customer ask for permission', () => {
  test('PutObject needs kms:GenerateDataKey', async () => {
    const { Statement } = seedAPolicy('depot');
    const kms = { Effect: 'Allow' as const, Action: 'kms:GenerateDataKey', Resource: 'arn:aws:kms:*' };
    const request = withHeaders({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'k',
    });
    const without = await raw.send({
      ...request,
      credentials: fixture.cloud.issueCredentials({ policy: { Statement } }),
    });
    const having = await raw.send({
      ...request,
      credentials: fixture.cloud.issueCredentials({ policy: { Statement: [Statement, kms].flat() } }),
    });
    expect([without.status, having.status]).toEqual([403, 200]);
  });
});

describe('every algorithm, as the SDK sends it', () => {
  test.each<[ChecksumAlgorithm, 'buffer' | 'stream']>([
    ['CRC32', 'buffer'],
    ['CRC32', 'stream'],
    ['SHA1', 'buffer'],
    ['SHA256', 'stream'],
  ])('%s of a %s', async (ChecksumAlgorithm, kind) => {
    const s3 = fixture.s3();
    const bytes = randomBytes(400_000);
    const Body = kind === 'buffer' ? bytes : Readable.from([bytes.subarray(0, 200_000), bytes.subarray(200_000)]);
    const object = { Bucket: 'depot', Key: `sdk-${ChecksumAlgorithm}` };
    const stored = await s3.send(
      new PutObjectCommand({ ...object, Body, ContentLength: bytes.length, ChecksumAlgorithm }),
    );
    const name = `Checksum${ChecksumAlgorithm}` as 'ChecksumCRC32';
    const read = await s3.send(new GetObjectCommand({ ...object, ChecksumMode: 'ENABLED' }));
    expect(read[name]).toBe(stored[name]);
    expect(stored[name]).toBeTruthy();
    expect(Buffer.from(await read.Body!.transformToByteArray()).equals(bytes)).toBe(true);
  });

  test('without one S3 keeps a CRC64NVME of its own', async () => {
    await raw.send({ ...put, path: '/depot/own', body: '123456789' });
    const head = await raw.send({ method: 'HEAD', path: '/depot/own', headers: { 'x-amz-checksum-mode': 'ENABLED' } });
    expect(head.headers['x-amz-checksum-crc64nvme']).toBe(Buffer.from('ae8b14860a799888', 'hex').toString('base64'));
  });
});

test('a refused body leaves no object', async () => {
  const body = randomBytes(600_000);
  const before = fixture.cloud.objects('depot').length;
  const answer = await raw.send({
    ...put,
    path: '/depot/never',
    body,
    headers: { 'x-amz-checksum-crc32': 'AAAAAA==' },
  });
  expect(answer.code).toBe('BadDigest');
  expect(fixture.cloud.objects('depot')).toHaveLength(before);
});
