import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  type ChecksumAlgorithm,
  type ChecksumType,
  type CompletedPart,
  type CompleteMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { CloudFixture, outcomeOf } from '../support/cloud-fixture';
import { type RawS3, sha256 } from '../support/cloud-raw-s3';
import { FULL_CRC32, MIN_PART_BYTES, MultipartUpload } from '../support/cloud-upload';

let fixture: CloudFixture;
let s3: S3Client;
let raw: RawS3;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  s3 = fixture.s3();
  raw = fixture.raw();
});
afterAll(() => fixture.stop());
afterEach(() => {
  fixture.cloud.faults.clear();
  fixture.cloud.settings.completeRepeatMs = 600_000;
});

describe('Complete refuses', () => {
  const first = (parts: CompletedPart[], change: Partial<CompletedPart>): CompletedPart[] => [
    { ...parts[0]!, ...change },
    parts[1]!,
  ];
  test.each<[string, string, (parts: CompletedPart[]) => CompletedPart[]]>([
    ['parts out of order', '400 InvalidPartOrder', (p) => [...p].reverse()],
    ['a part twice', '400 InvalidPartOrder', (p) => [p[0]!, p[0]!, p[1]!]],
    ['a part that was never sent', '400 InvalidPart', (p) => [...p, { ...p[1]!, PartNumber: 3 }]],
    ["another part's ETag", '400 InvalidPart', (p) => first(p, { ETag: p[1]!.ETag })],
    ["another part's checksum", '400 InvalidPart', (p) => first(p, { ChecksumCRC32: p[1]!.ChecksumCRC32 })],
    ['a part without its checksum', '400 InvalidRequest', (p) => first(p, { ChecksumCRC32: undefined })],
    ['a checksum of another kind', '400 InvalidRequest', (p) => first(p, { ChecksumSHA1: 'x' })],
    ['no parts', '400 MalformedXML', () => []],
    ['a gap in the numbers of checksummed parts', '500 InternalError', (p) => [p[1]!]],
  ])('%s → %s', async (_, expected, change) => {
    const upload = await MultipartUpload.ofTwoParts(s3);
    expect(await outcomeOf(upload.complete({}, change(upload.parts)))).toBe(expected);
    expect(await outcomeOf(upload.complete())).toBe('ok');
  });

  test('a part below 5 MiB that is not the last', async () => {
    const upload = await MultipartUpload.begin(s3);
    await upload.add(1, MIN_PART_BYTES - 1);
    await upload.add(2, 10);
    const parts = upload.parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
    expect(await outcomeOf(upload.complete({}, parts))).toBe('400 EntityTooSmall');
    expect(await outcomeOf(upload.complete({}, parts.slice(0, 1)))).toBe('ok');
  });

  test.each<[string, string, (whole: Buffer) => Partial<CompleteMultipartUploadCommandInput>]>([
    [
      'right claims',
      'ok',
      (whole) => ({ ChecksumCRC32: crcOf(whole), ChecksumType: 'FULL_OBJECT', MpuObjectSize: whole.length }),
    ],
    ["the whole's checksum", '400 BadDigest', () => ({ ChecksumCRC32: 'AAAAAA==' })],
    ['a malformed checksum', '400 InvalidRequest', () => ({ ChecksumCRC32: 'AAAA' })],
    ['a checksum of another kind', '400 InvalidRequest', () => ({ ChecksumCRC32C: 'AAAAAA==' })],
    ['another type', '400 InvalidRequest', () => ({ ChecksumType: 'COMPOSITE' })],
    ['another size', '400 InvalidRequest', (whole) => ({ MpuObjectSize: whole.length + 1 })],
    ['If-Match of nothing', '404 NoSuchKey', () => ({ IfMatch: '"x"' })],
    ["somebody else's bucket", '403 AccessDenied', () => ({ ExpectedBucketOwner: '210987654321' })],
  ])('%s → %s', async (_, expected, claim) => {
    const upload = await MultipartUpload.ofTwoParts(s3);
    expect(await outcomeOf(upload.complete(claim(Buffer.concat(upload.bytes))))).toBe(expected);
  });

  test.each([
    ['no XML', 'nonsense'],
    ['an unclosed element', '<CompleteMultipartUpload><Part>'],
    ['another document', '<Delete></Delete>'],
    ['a part without a number', '<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>'],
  ])('%s', async (_, body) => {
    const { Key, UploadId } = await MultipartUpload.begin(s3);
    const answer = await raw.send({ method: 'POST', path: `/depot/${Key}`, query: { uploadId: UploadId }, body });
    expect(`${answer.status} ${answer.code}`).toBe('400 MalformedXML');
  });

  test('If-None-Match when there is an object, 409 when a fault asks for it: then the upload is lost', async () => {
    const taken = await MultipartUpload.ofTwoParts(s3);
    await raw.send({ method: 'PUT', path: `/depot/${taken.Key}`, body: 'before' });
    expect(await outcomeOf(taken.complete({ IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    fixture.cloud.faults.add({ kind: 'conflict409', operation: 'CompleteMultipartUpload' });
    const upload = await MultipartUpload.ofTwoParts(s3);
    expect(await outcomeOf(upload.complete({ IfNoneMatch: '*' }))).toBe('409 ConditionalRequestConflict');
    expect(await outcomeOf(upload.complete({ IfNoneMatch: '*' }))).toBe('404 NoSuchUpload');
  });
});

describe('a completed upload', () => {
  test('answers the identical Complete again, even with If-None-Match, and no other', async () => {
    const upload = await MultipartUpload.ofTwoParts(s3);
    const once = await upload.complete({ IfNoneMatch: '*' });
    const twice = await upload.complete({ IfNoneMatch: '*' });
    expect([twice.ETag, twice.ChecksumCRC32]).toEqual([once.ETag, once.ChecksumCRC32]);
    expect(await outcomeOf(upload.complete({}, upload.parts.slice(0, 1)))).toBe('404 NoSuchUpload');
    expect(await outcomeOf(s3.send(new ListPartsCommand(upload.name)))).toBe('404 NoSuchUpload');
    expect(await outcomeOf(s3.send(new AbortMultipartUploadCommand(upload.name)))).toBe('404 NoSuchUpload');
  });

  test('only for a while', async () => {
    const upload = await MultipartUpload.ofTwoParts(s3);
    await upload.complete();
    fixture.cloud.settings.completeRepeatMs = -1;
    expect(await outcomeOf(upload.complete())).toBe('404 NoSuchUpload');
  });
});

describe('the object', () => {
  test.each<[ChecksumAlgorithm, ChecksumType]>([
    ['CRC32', 'FULL_OBJECT'],
    ['CRC32', 'COMPOSITE'],
    ['SHA1', 'COMPOSITE'],
    ['SHA256', 'COMPOSITE'],
  ])('%s, %s', async (ChecksumAlgorithm, ChecksumType) => {
    const upload = await MultipartUpload.ofTwoParts(s3, {
      ChecksumAlgorithm,
      ChecksumType,
      Metadata: { origin: 'field' },
      ContentType: 'text/x',
    });
    const whole = Buffer.concat(upload.bytes);
    const done = await upload.complete({ ChecksumType });
    const name = `Checksum${ChecksumAlgorithm}` as 'ChecksumCRC32';
    const head = await s3.send(new HeadObjectCommand({ Bucket: 'depot', Key: upload.Key, ChecksumMode: 'ENABLED' }));
    const expected = ChecksumType === 'FULL_OBJECT' ? crcOf(whole) : compositeOf(ChecksumAlgorithm, upload.bytes);
    expect([done[name], head[name], head.ChecksumType]).toEqual([expected, expected, ChecksumType]);
    expect(head.ETag).toBe(`"${etagOf(upload.bytes)}"`);
    expect(head).toMatchObject({ Metadata: { origin: 'field' }, ContentType: 'text/x', ContentLength: whole.length });
    expect(await fixture.cloud.sha256('depot', upload.Key)).toBe(sha256(whole));
  });

  test('created without an algorithm has a full-object CRC64NVME, and parts sent with CRC32 are verified', async () => {
    const upload = await MultipartUpload.ofTwoParts(s3, {});
    const done = await upload.complete(
      {},
      upload.parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag })),
    );
    expect(done.ChecksumType).toBe('FULL_OBJECT');
    const single = await raw.send({ method: 'PUT', path: '/depot/single', body: Buffer.concat(upload.bytes) });
    expect(done.ChecksumCRC64NVME).toBe(single.headers['x-amz-checksum-crc64nvme']);
  });

  test('can be read by part and across the border of parts', async () => {
    const upload = await MultipartUpload.ofTwoParts(s3);
    await upload.complete();
    const whole = Buffer.concat(upload.bytes);
    const second = await s3.send(new GetObjectCommand({ Bucket: 'depot', Key: upload.Key, PartNumber: 2 }));
    expect([second.PartsCount, second.ContentRange]).toEqual([
      2,
      `bytes ${MIN_PART_BYTES}-${MIN_PART_BYTES + 999}/${MIN_PART_BYTES + 1000}`,
    ]);
    expect(Buffer.from(await second.Body!.transformToByteArray()).equals(upload.bytes[1]!)).toBe(true);
    const Range = `bytes=${MIN_PART_BYTES - 10}-${MIN_PART_BYTES + 9}`;
    const across = await s3.send(new GetObjectCommand({ Bucket: 'depot', Key: upload.Key, Range }));
    expect(
      Buffer.from(await across.Body!.transformToByteArray()).equals(
        whole.subarray(MIN_PART_BYTES - 10, MIN_PART_BYTES + 10),
      ),
    ).toBe(true);
  });

  test('of a part sent twice has the later bytes', async () => {
    const upload = await MultipartUpload.begin(s3, FULL_CRC32);
    await upload.add(1, 500, 'CRC32');
    await upload.add(1, 600, 'CRC32');
    expect(await outcomeOf(upload.complete({}, upload.parts.slice(0, 1)))).toBe('400 InvalidPart');
    await upload.complete({}, upload.parts.slice(1));
    expect(await fixture.cloud.sha256('depot', upload.Key)).toBe(sha256(upload.bytes[1]!));
  });
});

function crcOf(bytes: Buffer): string {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(crc32(bytes));
  return out.toString('base64');
}

function compositeOf(algorithm: ChecksumAlgorithm, parts: Buffer[]): string {
  const digest = (bytes: Buffer): Buffer =>
    algorithm === 'CRC32' ? Buffer.from(crcOf(bytes), 'base64') : createHash(algorithm).update(bytes).digest();
  return `${digest(Buffer.concat(parts.map(digest))).toString('base64')}-${parts.length}`;
}

function etagOf(parts: Buffer[]): string {
  const md5 = (bytes: Buffer): Buffer => createHash('md5').update(bytes).digest();
  return `${md5(Buffer.concat(parts.map(md5))).toString('hex')}-${parts.length}`;
}
