import {
  CopyObjectCommand,
  type CopyObjectCommandInput,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { CloudFixture, outcomeOf } from '../support/cloud-fixture';
import { type RawS3, sha256 } from '../support/cloud-raw-s3';

let fixture: CloudFixture;
let s3: S3Client;
let raw: RawS3;
let etag: string;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  fixture.cloud.createBucket('other', { ownerId: '210987654321' });
  fixture.cloud.createBucket('far', { region: 'us-east-1' });
  s3 = fixture.s3();
  raw = fixture.raw();
  const stored = await s3.send(new PutObjectCommand({ Bucket: 'depot', Key: 'digits', Body: '0123456789' }));
  etag = stored.ETag!;
  await s3.send(new PutObjectCommand({ Bucket: 'depot', Key: 'frozen', Body: 'x', StorageClass: 'GLACIER' }));
});
afterAll(() => fixture.stop());

describe('GetObject and HeadObject', () => {
  const hour = (offset: number): Date => new Date(Date.now() + offset * 3_600_000);
  test.each<[string, string, () => Partial<GetObjectCommandInput>]>([
    ['plain', 'ok', () => ({})],
    ['absent', '404 NoSuchKey', () => ({ Key: 'absent' })],
    ['archived', '403 InvalidObjectState', () => ({ Key: 'frozen' })],
    ['If-Match, right', 'ok', () => ({ IfMatch: etag })],
    ['If-Match, wrong', '412 PreconditionFailed', () => ({ IfMatch: '"x"' })],
    ['If-None-Match, right', '304 304', () => ({ IfNoneMatch: etag })],
    ['If-None-Match, wrong', 'ok', () => ({ IfNoneMatch: '"x"' })],
    ['modified since an hour ago', 'ok', () => ({ IfModifiedSince: hour(-1) })],
    ['modified since in an hour', '304 304', () => ({ IfModifiedSince: hour(1) })],
    ['unmodified since an hour ago', '412 PreconditionFailed', () => ({ IfUnmodifiedSince: hour(-1) })],
    ['If-Match goes before unmodified since', 'ok', () => ({ IfMatch: etag, IfUnmodifiedSince: hour(-1) })],
    ['range behind the end', '416 InvalidRange', () => ({ Range: 'bytes=10-' })],
    ['empty suffix', '416 InvalidRange', () => ({ Range: 'bytes=-0' })],
    ['range and part', '400 InvalidRequest', () => ({ Range: 'bytes=0-1', PartNumber: 1 })],
    ['part that is not there', '416 InvalidRange', () => ({ PartNumber: 2 })],
    ["somebody else's bucket", '403 AccessDenied', () => ({ ExpectedBucketOwner: '210987654321' })],
    ['no such bucket', '404 NoSuchBucket', () => ({ Bucket: 'nowhere' })],
  ])('%s → %s', async (_, expected, options) => {
    const found = await outcomeOf(s3.send(new GetObjectCommand({ Bucket: 'depot', Key: 'digits', ...options() })));
    expect(found.replace('NotModified', '304').replace(/^304 .*/, '304 304')).toBe(expected);
  });

  test.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
    ['bytes=5-2', '0123456789', undefined],
    ['bytes=0-1,3-4', '0123456789', undefined],
  ])('%s → %s', async (Range, text, contentRange) => {
    const read = await s3.send(
      new GetObjectCommand({ Bucket: 'depot', Key: 'digits', Range, ChecksumMode: 'ENABLED' }),
    );
    expect([await read.Body?.transformToString(), read.ContentRange]).toEqual([text, contentRange]);
    // The checksum is of the whole: with a part of the bytes it would only mislead.
    expect(read.ChecksumCRC32 === undefined).toBe(contentRange !== undefined);
  });

  test('a refusal of HEAD has no body, and Content-Length is that of GET', async () => {
    const absent = await raw.send({ method: 'HEAD', path: '/depot/absent' });
    const present = await raw.send({ method: 'HEAD', path: '/depot/digits' });
    expect([absent.status, absent.text, present.status, present.headers['content-length'], present.text]).toEqual([
      404,
      '',
      200,
      '10',
      '',
    ]);
  });

  test('checksums come only when asked for', async () => {
    const plain = await raw.send({ method: 'HEAD', path: '/depot/digits' });
    expect(Object.keys(plain.headers).filter((name) => name.startsWith('x-amz-checksum'))).toEqual([]);
  });

  test('a large object streams, and keeps its bytes when it is replaced meanwhile', async () => {
    const large = Buffer.alloc(3_000_000, 'large');
    await s3.send(new PutObjectCommand({ Bucket: 'depot', Key: 'large', Body: large }));
    const reading = await s3.send(new GetObjectCommand({ Bucket: 'depot', Key: 'large' }));
    await s3.send(new PutObjectCommand({ Bucket: 'depot', Key: 'large', Body: 'small' }));
    expect(sha256(Buffer.from(await reading.Body!.transformToByteArray()))).toBe(sha256(large));
  });
});

describe('DeleteObject', () => {
  test('with If-Match only what is there and unchanged', async () => {
    const target = { Bucket: 'depot', Key: 'doomed' };
    const remove = (IfMatch?: string) =>
      outcomeOf(s3.send(new DeleteObjectCommand({ ...target, ...(IfMatch ? { IfMatch } : {}) })));
    expect(await remove('"x"')).toBe('404 NoSuchKey');
    const { ETag } = await s3.send(new PutObjectCommand({ ...target, Body: 'x' }));
    expect(await remove('"x"')).toBe('412 PreconditionFailed');
    expect(await remove(ETag)).toBe('ok');
    expect(await remove()).toBe('ok');
  });

  test('DeleteObjects tells the fate of each, and needs a digest', async () => {
    await s3.send(new PutObjectCommand({ Bucket: 'depot', Key: 'a&b', Body: 'x' }));
    const Objects = [{ Key: 'a&b' }, { Key: 'absent' }, { Key: 'digits', ETag: '"x"' }];
    const done = await s3.send(new DeleteObjectsCommand({ Bucket: 'depot', Delete: { Objects } }));
    expect(done.Deleted?.map(({ Key }) => Key)).toEqual(['a&b', 'absent']);
    expect(done.Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([['digits', 'PreconditionFailed']]);
    const body = '<Delete><Object><Key>x</Key></Object></Delete>';
    expect((await raw.send({ method: 'POST', path: '/depot', query: { delete: '' }, body })).code).toBe(
      'InvalidRequest',
    );
  });
});

describe('ListObjectsV2', () => {
  const keys = ['a/1', 'a/2', 'a/b/3', 'b/4', 'c 5', 'ü', '\uffee', '😀'];
  beforeAll(async () => {
    fixture.cloud.createBucket('list');
    for (const Key of [...keys].reverse()) await s3.send(new PutObjectCommand({ Bucket: 'list', Key, Body: 'x' }));
  });

  async function pages(options: Partial<ListObjectsV2CommandInput>): Promise<string[]> {
    const seen: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page: import('@aws-sdk/client-s3').ListObjectsV2CommandOutput = await s3.send(
        new ListObjectsV2Command({
          Bucket: 'list',
          ...options,
          ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
        }),
      );
      seen.push(
        ...(page.Contents ?? []).map(({ Key }) => Key!),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => `[${Prefix}]`),
      );
      ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
    return seen;
  }

  test.each<[Partial<ListObjectsV2CommandInput>, string[]]>([
    [{}, keys],
    [{ MaxKeys: 1 }, keys],
    [{ MaxKeys: 3 }, keys],
    [{ Prefix: 'a/' }, ['a/1', 'a/2', 'a/b/3']],
    [{ Prefix: 'a/', Delimiter: '/' }, ['a/1', 'a/2', '[a/b/]']],
    [{ Delimiter: '/', MaxKeys: 1 }, ['[a/]', '[b/]', 'c 5', 'ü', '\uffee', '😀']],
    [{ StartAfter: 'a/2' }, keys.slice(2)],
    [{ Prefix: 'zz' }, []],
    [{ MaxKeys: 0 }, []],
    [{ EncodingType: 'url', Prefix: 'c' }, ['c+5']],
    [{ EncodingType: 'url', Prefix: 'ü' }, ['%C3%BC']],
  ])('%j → %j', async (options, expected) => {
    expect(await pages(options)).toEqual(expected);
  });

  test.each<[string, Partial<ListObjectsV2CommandInput>]>([
    ['400 InvalidArgument', { ContinuationToken: 'nonsense' }],
    ['400 InvalidArgument', { MaxKeys: -1 }],
    ['400 InvalidArgument', { EncodingType: 'rot13' as 'url' }],
    ['404 NoSuchBucket', { Bucket: 'nowhere' }],
  ])('%s: %j', async (expected, options) => {
    expect(await outcomeOf(s3.send(new ListObjectsV2Command({ Bucket: 'list', ...options })))).toBe(expected);
  });
});

describe('CopyObject', () => {
  const source = { Bucket: 'depot', Key: 'a +ü/source' };
  const CopySource = encodeURIComponent(`${source.Bucket}/${source.Key}`);
  let sourceEtag: string;
  beforeAll(async () => {
    const stored = await s3.send(
      new PutObjectCommand({ ...source, Body: 'copied', Tagging: 'k=v', Metadata: { from: 'source' } }),
    );
    sourceEtag = stored.ETag!;
  });

  test.each<[string, string, () => Partial<CopyObjectCommandInput>]>([
    ['plain', 'ok', () => ({})],
    ['source not encoded', 'ok', () => ({ CopySource: 'depot/digits' })],
    ['source with a version', 'ok', () => ({ CopySource: 'depot/digits?versionId=null' })],
    ['plus is not a blank', '404 NoSuchKey', () => ({ CopySource: 'depot/a%20%20%C3%BC/source' })],
    ['absent', '404 NoSuchKey', () => ({ CopySource: 'depot/absent' })],
    ['no bucket of that name', '404 NoSuchBucket', () => ({ CopySource: 'nowhere/x' })],
    ['no key', '400 InvalidArgument', () => ({ CopySource: 'depot' })],
    ['source unchanged', 'ok', () => ({ CopySourceIfMatch: sourceEtag })],
    ['source changed', '412 PreconditionFailed', () => ({ CopySourceIfMatch: '"x"' })],
    ['source the same', '412 PreconditionFailed', () => ({ CopySourceIfNoneMatch: sourceEtag })],
    ['onto itself', '400 InvalidRequest', () => ({ CopySource, Key: source.Key })],
    [
      'source of another owner, said so',
      'ok',
      () => ({ CopySource: 'other/x', ExpectedSourceBucketOwner: '210987654321' }),
    ],
    [
      'source of another owner, not expected',
      '403 AccessDenied',
      () => ({ CopySource: 'other/x', ExpectedSourceBucketOwner: '123456789012' }),
    ],
    ['unknown directive', '400 InvalidArgument', () => ({ MetadataDirective: 'MERGE' as 'COPY' })],
    ['target taken', '412 PreconditionFailed', () => ({ Key: 'digits', IfNoneMatch: '*' })],
  ])('%s → %s', async (_, expected, options) => {
    await s3.send(new PutObjectCommand({ Bucket: 'other', Key: 'x', Body: 'x' }));
    const copy = s3.send(new CopyObjectCommand({ Bucket: 'depot', Key: 'copy', CopySource, ...options() }));
    expect(await outcomeOf(copy)).toBe(expected);
  });

  test.each<['COPY' | 'REPLACE', Record<string, string>, string]>([
    ['COPY', { from: 'source' }, 'v'],
    ['REPLACE', { from: 'request' }, 'w'],
  ])('%s of metadata and tags; the bytes outlive their source', async (directive, metadata, tag) => {
    const Key = `copy-${directive}`;
    const temporary = { Bucket: 'depot', Key: `temporary-${directive}` };
    await s3.send(new CopyObjectCommand({ ...temporary, CopySource }));
    await s3.send(
      new CopyObjectCommand({
        Bucket: 'depot',
        Key,
        CopySource: `depot/${temporary.Key}`,
        MetadataDirective: directive,
        TaggingDirective: directive,
        Metadata: { from: 'request' },
        Tagging: 'k=w',
      }),
    );
    await s3.send(new DeleteObjectCommand(temporary));
    const read = await s3.send(new GetObjectCommand({ Bucket: 'depot', Key }));
    const tags = await s3.send(new GetObjectTaggingCommand({ Bucket: 'depot', Key }));
    expect([await read.Body?.transformToString(), read.Metadata, tags.TagSet]).toEqual([
      'copied',
      metadata,
      [{ Key: 'k', Value: tag }],
    ]);
  });
});

describe('object tagging', () => {
  const object = { Bucket: 'depot', Key: 'digits' };
  const set = (TagSet: { Key: string; Value: string }[]) =>
    outcomeOf(s3.send(new PutObjectTaggingCommand({ ...object, Tagging: { TagSet } })));
  test('is put, got and deleted without touching the object', async () => {
    expect(await set([{ Key: 'a', Value: '<1>' }].map(({ Key }) => ({ Key, Value: '1' })))).toBe('ok');
    expect((await s3.send(new GetObjectTaggingCommand(object))).TagSet).toEqual([{ Key: 'a', Value: '1' }]);
    expect((await s3.send(new HeadObjectCommand(object))).TagCount).toBe(1);
    await s3.send(new DeleteObjectTaggingCommand(object));
    expect((await s3.send(new GetObjectTaggingCommand(object))).TagSet).toEqual([]);
    const read = await s3.send(new GetObjectCommand(object));
    expect(await read.Body?.transformToString()).toBe('0123456789');
  });

  test('refuses bad tags and absent objects', async () => {
    const eleven = Array.from({ length: 11 }, (_, at) => ({ Key: `k${at}`, Value: 'v' }));
    expect(await set(eleven)).toBe('400 BadRequest');
    expect(
      await set([
        { Key: 'a', Value: '1' },
        { Key: 'a', Value: '2' },
      ]),
    ).toBe('400 InvalidTag');
    expect(await set([{ Key: 'a', Value: '#' }])).toBe('400 InvalidTag');
    expect(await outcomeOf(s3.send(new GetObjectTaggingCommand({ ...object, Key: 'absent' })))).toBe('404 NoSuchKey');
    const body = '<Tagging><TagSet></TagSet></Tagging>';
    expect((await raw.send({ method: 'PUT', path: '/depot/digits', query: { tagging: '' }, body })).code).toBe(
      'InvalidRequest',
    );
  });
});

test('bucket head and location', async () => {
  expect((await s3.send(new HeadBucketCommand({ Bucket: 'depot' }))).BucketRegion).toBe('eu-central-1');
  expect((await s3.send(new GetBucketLocationCommand({ Bucket: 'depot' }))).LocationConstraint).toBe('eu-central-1');
  const far = fixture.s3(fixture.cloud.admin, { region: 'us-east-1' });
  expect((await far.send(new GetBucketLocationCommand({ Bucket: 'far' }))).LocationConstraint).toBeFalsy();
  expect(await outcomeOf(s3.send(new HeadBucketCommand({ Bucket: 'nowhere' })))).toMatch(/^404 /);
  expect(await outcomeOf(s3.send(new HeadBucketCommand({ Bucket: 'far' })))).toMatch(/^301 /);
});
