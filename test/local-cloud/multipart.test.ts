import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type ChecksumAlgorithm,
  type ChecksumType,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
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

describe('Create', () => {
  test.each<[string, Partial<CreateMultipartUploadCommandInput>]>([
    ['ok', FULL_CRC32],
    ['ok', { ChecksumAlgorithm: 'SHA256', ChecksumType: 'COMPOSITE' }],
    ['400 InvalidRequest', { ChecksumType: 'FULL_OBJECT' }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'SHA256', ChecksumType: 'FULL_OBJECT' }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'COMPOSITE' }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'ADLER' as ChecksumAlgorithm }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'HALF' as ChecksumType }],
    ['400 InvalidTag', { Tagging: 'k=1&k=2' }],
    ['400 MetadataTooLarge', { Metadata: { a: 'x'.repeat(2048) } }],
  ])('%s: %j', async (expected, options) => {
    expect(await outcomeOf(MultipartUpload.begin(s3, options))).toBe(expected);
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
    const { Key, UploadId } = await MultipartUpload.begin(s3);
    const answer = await raw.send({
      method: 'PUT',
      path: `/depot/${Key}`,
      query: { partNumber, uploadId: UploadId },
      body: 'x',
    });
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
  });

  test.each<[string, Partial<CreateMultipartUploadCommandInput>, Record<string, string>]>([
    ['400 InvalidRequest', FULL_CRC32, { 'x-amz-checksum-sha1': createHash('sha1').update('x').digest('base64') }],
    ['400 InvalidRequest', { ChecksumAlgorithm: 'CRC32' }, {}],
    ['400 BadDigest', FULL_CRC32, { 'x-amz-checksum-crc32': 'AAAAAA==' }],
    ['200', FULL_CRC32, {}],
    ['200', {}, {}],
  ])('%s: created with %j, sent with %j', async (expected, options, headers) => {
    const { Key, UploadId } = await MultipartUpload.begin(s3, options);
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
    const upload = await MultipartUpload.begin(s3);
    const part = { ...upload.name, PartNumber: 1, Body: 'x' };
    expect(await outcomeOf(s3.send(new UploadPartCommand({ ...part, UploadId: 'nobody' })))).toBe('404 NoSuchUpload');
    expect(await outcomeOf(s3.send(new UploadPartCommand({ ...part, Key: 'other' })))).toBe('404 NoSuchUpload');
  });

  test('into an upload that is aborted while the body comes in', async () => {
    const { name } = await MultipartUpload.begin(s3);
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

describe('listing', () => {
  test('ListParts by pages, with what a resume needs', async () => {
    const upload = await MultipartUpload.begin(s3, FULL_CRC32);
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
    const upload = await MultipartUpload.ofTwoParts(s3);
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
    await raw.send({ method: 'PUT', path: '/depot/source', body: Buffer.alloc(MIN_PART_BYTES + 5, 7) });
    const upload = await MultipartUpload.begin(s3, FULL_CRC32);
    const copy = { ...upload.name, PartNumber: 1, CopySource: 'depot/source', CopySourceRange };
    expect(await outcomeOf(s3.send(new UploadPartCopyCommand(copy)))).toBe(expected);
  });

  test('copies bytes, which stay when the source goes', async () => {
    await raw.send({ method: 'PUT', path: '/depot/source', body: 'abcdef' });
    const upload = await MultipartUpload.begin(s3, FULL_CRC32);
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
