import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  type ChecksumAlgorithm,
  type ChecksumType,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { CloudFixture, outcomeOf } from '../support/cloud-fixture';
import { type RawS3, sha256 } from '../support/cloud-raw-s3';

const MIN_PART = 5 * 1024 * 1024;
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

let names = 0;
/** One upload with its bytes, as far as a test takes it. */
class Upload {
  readonly Key = `upload-${names++}`;
  UploadId = '';
  readonly parts: CompletedPart[] = [];
  readonly bytes: Buffer[] = [];

  static async begin(options: Partial<CreateMultipartUploadCommandInput> = {}): Promise<Upload> {
    const upload = new Upload();
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket: 'depot', Key: upload.Key, ...options }),
    );
    upload.UploadId = UploadId!;
    return upload;
  }

  async add(PartNumber: number, sizeBytes: number, ChecksumAlgorithm?: ChecksumAlgorithm): Promise<void> {
    const Body = randomBytes(sizeBytes);
    const sent = await s3.send(
      new UploadPartCommand({
        ...this.name,
        PartNumber,
        Body,
        ...(ChecksumAlgorithm === undefined ? {} : { ChecksumAlgorithm }),
      }),
    );
    const { ETag, ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 } = sent;
    this.bytes.push(Body);
    this.parts.push({
      PartNumber,
      ETag,
      ...defined({ ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 }),
    });
  }

  get name(): { Bucket: string; Key: string; UploadId: string } {
    return { Bucket: 'depot', Key: this.Key, UploadId: this.UploadId };
  }

  complete(options: Partial<CompleteMultipartUploadCommandInput> = {}, Parts: CompletedPart[] = this.parts) {
    return s3.send(new CompleteMultipartUploadCommand({ ...this.name, MultipartUpload: { Parts }, ...options }));
  }
}

function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

const FULL = { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } as const;

async function twoParts(options: Partial<CreateMultipartUploadCommandInput> = FULL): Promise<Upload> {
  const upload = await Upload.begin(options);
  await upload.add(1, MIN_PART, options.ChecksumAlgorithm);
  await upload.add(2, 1000, options.ChecksumAlgorithm);
  return upload;
}

describe('Create', () => {
  test.each<[string, Partial<CreateMultipartUploadCommandInput>]>([
    ['ok', FULL],
    ['ok', { ChecksumAlgorithm: 'SHA256', ChecksumType: 'COMPOSITE' }],
    ['400 InvalidRequest', { ChecksumType: 'FULL_OBJECT' }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'SHA256', ChecksumType: 'FULL_OBJECT' }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'COMPOSITE' }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'ADLER' as ChecksumAlgorithm }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'HALF' as ChecksumType }],
    ['400 InvalidTag', { Tagging: 'k=1&k=2' }],
    ['400 MetadataTooLarge', { Metadata: { a: 'x'.repeat(2048) } }],
  ])('%s: %j', async (expected, options) => {
    expect(await outcomeOf(Upload.begin(options))).toBe(expected);
  });
});

describe('UploadPart', () => {
  test.each([
    ['0', '400 InvalidArgument'],
    ['10001', '400 InvalidArgument'],
    ['x', '400 InvalidArgument'],
    ['1', '200'],
    ['10000', '200'],
  ])('part number %s → %s', async (partNumber, expected) => {
    const { Key, UploadId } = await Upload.begin();
    const answer = await raw.send({
      method: 'PUT',
      path: `/depot/${Key}`,
      query: { partNumber, uploadId: UploadId },
      body: 'x',
    });
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
  });

  test.each<[string, Partial<CreateMultipartUploadCommandInput>, Record<string, string>]>([
    ['400 InvalidRequest', FULL, { 'x-amz-checksum-sha1': createHash('sha1').update('x').digest('base64') }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'CRC32' }, {}],
    ['400 BadDigest', FULL, { 'x-amz-checksum-crc32': 'AAAAAA==' }],
    ['200', FULL, {}],
    ['200', {}, {}],
  ])('%s: created with %j, sent with %j', async (expected, options, headers) => {
    const { Key, UploadId } = await Upload.begin(options);
    const answer = await raw.send({
      method: 'PUT',
      path: `/depot/${Key}`,
      query: { partNumber: '1', uploadId: UploadId },
      body: 'x',
      headers,
    });
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
  });

  test('not of this upload, or of this key', async () => {
    const upload = await Upload.begin();
    const part = { ...upload.name, PartNumber: 1, Body: 'x' };
    expect(await outcomeOf(s3.send(new UploadPartCommand({ ...part, UploadId: 'nobody' })))).toBe('404 NoSuchUpload');
    expect(await outcomeOf(s3.send(new UploadPartCommand({ ...part, Key: 'other' })))).toBe('404 NoSuchUpload');
  });

  test('into an upload that is aborted while the body comes in', async () => {
    const { name } = await Upload.begin();
    const answer = await raw.send({
      method: 'PUT',
      path: `/depot/${name.Key}`,
      query: { partNumber: '1', uploadId: name.UploadId },
      body: 'x',
      expectContinue: true,
      beforeBody: () => s3.send(new AbortMultipartUploadCommand(name)),
    });
    expect([answer.continued, answer.code]).toEqual([true, 'NoSuchUpload']);
  });
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
    const upload = await twoParts();
    expect(await outcomeOf(upload.complete({}, change(upload.parts)))).toBe(expected);
    expect(await outcomeOf(upload.complete())).toBe('ok');
  });

  test('a part below 5 MiB that is not the last', async () => {
    const upload = await Upload.begin();
    await upload.add(1, MIN_PART - 1);
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
    const upload = await twoParts();
    expect(await outcomeOf(upload.complete(claim(Buffer.concat(upload.bytes))))).toBe(expected);
  });

  test.each([
    ['no XML', 'nonsense'],
    ['an unclosed element', '<CompleteMultipartUpload><Part>'],
    ['another document', '<Delete></Delete>'],
    ['a part without a number', '<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>'],
  ])('%s', async (_, body) => {
    const { Key, UploadId } = await Upload.begin();
    const answer = await raw.send({ method: 'POST', path: `/depot/${Key}`, query: { uploadId: UploadId }, body });
    expect(`${answer.status} ${answer.code}`).toBe('400 MalformedXML');
  });

  test('If-None-Match when there is an object, 409 when a fault asks for it: then the upload is lost', async () => {
    const taken = await twoParts();
    await raw.send({ method: 'PUT', path: `/depot/${taken.Key}`, body: 'before' });
    expect(await outcomeOf(taken.complete({ IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    fixture.cloud.faults.add({ kind: 'conflict409', operation: 'CompleteMultipartUpload' });
    const upload = await twoParts();
    expect(await outcomeOf(upload.complete({ IfNoneMatch: '*' }))).toBe('409 ConditionalRequestConflict');
    expect(await outcomeOf(upload.complete({ IfNoneMatch: '*' }))).toBe('404 NoSuchUpload');
  });
});

describe('a completed upload', () => {
  test('answers the identical Complete again, even with If-None-Match, and no other', async () => {
    const upload = await twoParts();
    const once = await upload.complete({ IfNoneMatch: '*' });
    const twice = await upload.complete({ IfNoneMatch: '*' });
    expect([twice.ETag, twice.ChecksumCRC32]).toEqual([once.ETag, once.ChecksumCRC32]);
    expect(await outcomeOf(upload.complete({}, upload.parts.slice(0, 1)))).toBe('404 NoSuchUpload');
    expect(await outcomeOf(s3.send(new ListPartsCommand(upload.name)))).toBe('404 NoSuchUpload');
    expect(await outcomeOf(s3.send(new AbortMultipartUploadCommand(upload.name)))).toBe('404 NoSuchUpload');
  });

  test('only for a while', async () => {
    const upload = await twoParts();
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
    const upload = await twoParts({
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
    const upload = await twoParts({});
    const done = await upload.complete(
      {},
      upload.parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag })),
    );
    expect(done.ChecksumType).toBe('FULL_OBJECT');
    const single = await raw.send({ method: 'PUT', path: '/depot/single', body: Buffer.concat(upload.bytes) });
    expect(done.ChecksumCRC64NVME).toBe(single.headers['x-amz-checksum-crc64nvme']);
  });

  test('can be read by part and across the border of parts', async () => {
    const upload = await twoParts();
    await upload.complete();
    const whole = Buffer.concat(upload.bytes);
    const second = await s3.send(new GetObjectCommand({ Bucket: 'depot', Key: upload.Key, PartNumber: 2 }));
    expect([second.PartsCount, second.ContentRange]).toEqual([
      2,
      `bytes ${MIN_PART}-${MIN_PART + 999}/${MIN_PART + 1000}`,
    ]);
    expect(Buffer.from(await second.Body!.transformToByteArray()).equals(upload.bytes[1]!)).toBe(true);
    const Range = `bytes=${MIN_PART - 10}-${MIN_PART + 9}`;
    const across = await s3.send(new GetObjectCommand({ Bucket: 'depot', Key: upload.Key, Range }));
    expect(
      Buffer.from(await across.Body!.transformToByteArray()).equals(whole.subarray(MIN_PART - 10, MIN_PART + 10)),
    ).toBe(true);
  });

  test('of a part sent twice has the later bytes', async () => {
    const upload = await Upload.begin(FULL);
    await upload.add(1, 500, 'CRC32');
    await upload.add(1, 600, 'CRC32');
    expect(await outcomeOf(upload.complete({}, upload.parts.slice(0, 1)))).toBe('400 InvalidPart');
    await upload.complete({}, upload.parts.slice(1));
    expect(await fixture.cloud.sha256('depot', upload.Key)).toBe(sha256(upload.bytes[1]!));
  });
});

describe('listing', () => {
  test('ListParts by pages, with what a resume needs', async () => {
    const upload = await Upload.begin(FULL);
    for (const number of [3, 1, 2]) await upload.add(number, 10, 'CRC32');
    const first = await s3.send(new ListPartsCommand({ ...upload.name, MaxParts: 2 }));
    expect([first.IsTruncated, first.NextPartNumberMarker]).toEqual([true, '2']);
    const { NextPartNumberMarker: PartNumberMarker } = first;
    const second = await s3.send(new ListPartsCommand({ ...upload.name, PartNumberMarker }));
    expect(second.IsTruncated).toBe(false);
    const listed = [...(first.Parts ?? []), ...(second.Parts ?? [])];
    const sent = [...upload.parts].sort((a, b) => a.PartNumber! - b.PartNumber!);
    expect(listed).toMatchObject(sent.map((part) => ({ ...part, Size: 10 })));
    expect([first.ChecksumAlgorithm, first.ChecksumType]).toEqual(['CRC32', 'FULL_OBJECT']);
  });

  test('ListMultipartUploads by pages and prefix', async () => {
    fixture.cloud.createBucket('open');
    const keys = ['b', 'a', 'a', 'pre/x'];
    for (const Key of keys) await s3.send(new CreateMultipartUploadCommand({ Bucket: 'open', Key }));
    const seen: string[] = [];
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (marker !== undefined) {
      const page: import('@aws-sdk/client-s3').ListMultipartUploadsCommandOutput = await s3.send(
        new ListMultipartUploadsCommand({ Bucket: 'open', MaxUploads: 1, ...marker }),
      );
      seen.push(...(page.Uploads ?? []).map(({ Key }) => Key!));
      marker = page.IsTruncated
        ? { KeyMarker: page.NextKeyMarker!, UploadIdMarker: page.NextUploadIdMarker! }
        : undefined;
    }
    expect(seen).toEqual(['a', 'a', 'b', 'pre/x']);
    const below = await s3.send(new ListMultipartUploadsCommand({ Bucket: 'open', Prefix: 'pre/' }));
    expect(below.Uploads?.map(({ Key }) => Key)).toEqual(['pre/x']);
  });

  test('Abort takes it out of both', async () => {
    const upload = await twoParts();
    await s3.send(new AbortMultipartUploadCommand(upload.name));
    expect(await outcomeOf(s3.send(new ListPartsCommand(upload.name)))).toBe('404 NoSuchUpload');
    expect(await outcomeOf(upload.complete())).toBe('404 NoSuchUpload');
    expect(fixture.cloud.multipartUploads('depot').map(({ uploadId }) => uploadId)).not.toContain(upload.UploadId);
  });
});

describe('UploadPartCopy', () => {
  test.each([
    ['ok', 'bytes=0-5242879'],
    ['400 InvalidArgument', 'bytes=0-99999999'],
    ['400 InvalidArgument', 'bytes=5-2'],
    ['400 InvalidArgument', 'bytes=5-'],
  ])('%s: %s', async (expected, CopySourceRange) => {
    await raw.send({ method: 'PUT', path: '/depot/source', body: Buffer.alloc(MIN_PART + 5, 7) });
    const upload = await Upload.begin(FULL);
    const copy = { ...upload.name, PartNumber: 1, CopySource: 'depot/source', CopySourceRange };
    expect(await outcomeOf(s3.send(new UploadPartCopyCommand(copy)))).toBe(expected);
  });

  test('copies bytes, which stay when the source goes', async () => {
    await raw.send({ method: 'PUT', path: '/depot/source', body: 'abcdef' });
    const upload = await Upload.begin(FULL);
    const copied = await s3.send(
      new UploadPartCopyCommand({
        ...upload.name,
        PartNumber: 1,
        CopySource: 'depot/source',
        CopySourceRange: 'bytes=2-3',
      }),
    );
    await raw.send({ method: 'DELETE', path: '/depot/source' });
    const { ETag, ChecksumCRC32 } = copied.CopyPartResult!;
    await upload.complete({}, [{ PartNumber: 1, ETag, ChecksumCRC32 }]);
    expect(await fixture.cloud.sha256('depot', upload.Key)).toBe(sha256('cd'));
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
