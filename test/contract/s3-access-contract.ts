import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { until } from '../engines/until';
import type { ContractRun } from './contract-run';
import { readText } from './read-object';

const denied = { status: 403, code: 'AccessDenied' };
const otherCode = { 'signature-refused-as-access-denied': denied };
const toldToAll = { 'missing-key-told-to-all': { status: 404 } };
const toldToReaders = { ...toldToAll, 'missing-key-told-to-readers': { status: 404 } };
const broken = { 'escapes-break-signatures': { status: 403, code: 'SignatureDoesNotMatch' } };

const everything = [
  { Effect: 'Allow', Action: 's3:*', Resource: ['arn:aws:s3:::$BUCKET', 'arn:aws:s3:::$BUCKET/*'] },
] as const;

/** Who may do what: signatures, tokens, and the role policies of the five ways of moving files. */
export function describeAccess(run: ContractRun): void {
  const put = (s3: S3Client, Key: string, more: object = {}) =>
    s3.send(new PutObjectCommand({ Bucket: run.bucket, Key, Body: Buffer.from(Key), ...more }));
  const get = (s3: S3Client, Key: string) => s3.send(new GetObjectCommand({ Bucket: run.bucket, Key }));
  const head = (s3: S3Client, Key: string) => s3.send(new HeadObjectCommand({ Bucket: run.bucket, Key }));
  const remove = (s3: S3Client, Key: string) => s3.send(new DeleteObjectCommand({ Bucket: run.bucket, Key }));
  const copy = (s3: S3Client, from: string, Key: string, more: object = {}) =>
    s3.send(new CopyObjectCommand({ Bucket: run.bucket, Key, CopySource: `${run.bucket}/${from}`, ...more }));
  const list = (s3: S3Client, Prefix: string) => s3.send(new ListObjectsV2Command({ Bucket: run.bucket, Prefix }));
  const anyClient = async () => run.client(await run.issueKeys(everything));
  const getRequest = { method: 'GET', path: '/signed' };

  describe('signatures', () => {
    beforeAll(() => put(run.s3, 'signed'));

    test('a wrong secret', async () => {
      const keys = { ...run.engine.admin, secretAccessKey: 'another secret' };
      const refused = { status: 403, code: 'SignatureDoesNotMatch' };
      await run.expectAnswer(run.send({ ...getRequest, keys }), refused, otherCode);
    });

    test('an access key nobody has', async () => {
      const keys = { accessKeyId: 'AKIANOBODYHASTHISONE', secretAccessKey: 'any' };
      const refused = { status: 403, code: 'InvalidAccessKeyId' };
      await run.expectAnswer(run.send({ ...getRequest, keys }), refused, otherCode);
    });

    test('a clock that is 20 minutes slow', async () => {
      const signedAt = new Date(Date.now() - 20 * 60_000);
      const answer = await run.send({ ...getRequest, signedAt });
      const refused = { status: 403, code: 'RequestTimeTooSkewed' };
      await run.expectAnswer(answer, refused, { 'clock-unchecked': 'accepted' });
      expect(Math.abs(Date.parse(answer.headers.date ?? '') - Date.now())).toBeLessThan(60_000);
    });
  });

  describe('temporary keys', () => {
    test('a token that was altered, and one that is missing', async () => {
      await put(run.s3, 'signed');
      const keys = await run.issueKeys(everything);
      await run.expectAnswer(run.send({ ...getRequest, keys }), { status: 200 });
      const altered = { ...keys, sessionToken: `${keys.sessionToken.slice(0, -8)}AAAAAAAA` };
      const invalid = { status: 400, code: 'InvalidToken' };
      await run.expectAnswer(run.send({ ...getRequest, keys: altered }), invalid, otherCode);
      const { sessionToken: _, ...without } = keys;
      const unknown = { status: 403, code: 'InvalidAccessKeyId' };
      await run.expectAnswer(run.send({ ...getRequest, keys: without }), unknown, otherCode);
    });

    test('a token past its time', async () => {
      await put(run.s3, 'signed');
      const keys = await run.issueKeys(everything, {}, 2);
      const forEver = run.deviates('tokens-never-expire');
      const answer = await until('the end of a token', 15_000, async () => {
        const got = await run.send({ ...getRequest, keys });
        const over = Date.now() > keys.expiration.getTime() + 1_000;
        return got.status !== 200 || (forEver && over) ? got : undefined;
      });
      const refused = { status: 400, code: 'ExpiredToken' };
      await run.expectAnswer(answer, refused, {
        'tokens-never-expire': 'accepted',
        'expired-token-is-access-denied': denied,
      });
      expect(Date.now()).toBeGreaterThanOrEqual(keys.expiration.getTime() - 1_000);
    });
  });

  describe('ExpectedBucketOwner', () => {
    test('another account than the owner', async () => {
      const owner = { ExpectedBucketOwner: '999999999999' };
      await run.expectRefusal(put(run.s3, 'owned', owner), denied, { 'owner-unchecked': 'accepted' });
      await put(run.s3, 'owned', { ExpectedBucketOwner: run.engine.accountId });
    });
  });

  describe('PutObject alone (large data upload by a token over MQTT)', () => {
    const statements = [
      { Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::$BUCKET/press-1/*' },
    ] as const;
    let s3: S3Client;
    beforeAll(async () => {
      s3 = run.client(await run.issueKeys(statements));
    });

    test('suffices for a single PUT and for Create, UploadPart and Complete', async () => {
      await put(s3, 'press-1/single');
      const { upload, part } = await beginUpload(s3, 'press-1/multi');
      await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [part] } }));
      if (run.deviates('objects-belong-to-their-writer')) await run.expectRefusal(get(run.s3, 'press-1/multi'), denied);
      else expect(await readText(get(run.s3, 'press-1/multi'))).toBe('part');
      expect(await readText(get(await anyClient(), 'press-1/multi'))).toBe('part');
    });

    test('suffices for nothing else', async () => {
      await put(s3, 'press-1/single');
      const { upload } = await beginUpload(s3, 'press-1/stays');
      await run.expectRefusal(get(s3, 'press-1/single'), denied);
      await run.expectRefusal(head(s3, 'press-1/single'), { status: 403 });
      await run.expectRefusal(remove(s3, 'press-1/single'), denied);
      await run.expectRefusal(list(s3, 'press-1/'), denied, broken);
      await run.expectRefusal(s3.send(new ListPartsCommand(upload)), denied);
      const abort = new AbortMultipartUploadCommand(upload);
      await run.expectRefusal(s3.send(abort), denied, { 'abort-needs-put-alone': 'accepted' });
      const tagged = put(s3, 'press-1/tagged', { Tagging: 'a=b' });
      await run.expectRefusal(tagged, denied, { 'tagging-needs-no-permission': 'accepted' });
      expect(await readText(get(await anyClient(), 'press-1/single'))).toBe('press-1/single');
    });

    test("not in another thing's folder, nor at the bucket's root", async () => {
      await run.expectRefusal(put(s3, 'press-2/x'), denied);
      await run.expectRefusal(put(s3, 'press-1'), denied);
      await run.expectRefusal(put(s3, 'x'), denied);
    });

    test('a missing key is as forbidden as one that is there', async () => {
      await run.expectRefusal(get(s3, 'press-1/missing'), denied, toldToAll);
      await run.expectRefusal(head(s3, 'press-1/missing'), { status: 403 }, toldToAll);
    });

    async function beginUpload(by: S3Client, Key: string) {
      const { UploadId } = await by.send(new CreateMultipartUploadCommand({ Bucket: run.bucket, Key }));
      const upload = { Bucket: run.bucket, Key, UploadId };
      const { ETag } = await by.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: Buffer.from('part') }));
      return { upload, part: { PartNumber: 1, ETag } };
    }
  });

  describe('GetObject alone (direct calls, least privilege)', () => {
    test('gives what is named, and tells nothing of what is missing', async () => {
      await put(run.s3, 'hoge.txt');
      const s3 = run.client(
        await run.issueKeys([{ Effect: 'Allow', Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::$BUCKET/*' }]),
      );
      expect(await readText(get(s3, 'hoge.txt'))).toBe('hoge.txt');
      expect((await head(s3, 'hoge.txt')).ContentLength).toBe(8);
      await run.expectRefusal(get(s3, 'missing'), denied, toldToReaders);
      await run.expectRefusal(head(s3, 'missing'), { status: 403 }, toldToReaders);
      await run.expectRefusal(list(s3, ''), denied);
      await run.expectRefusal(put(s3, 'hoge.txt'), denied);
      await run.expectRefusal(remove(s3, 'hoge.txt'), denied);
    });
  });

  describe('one folder per thing', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the policy, filled in by the engine
    const thing = '${credentials-iot:ThingName}';
    const objects = ['PutObject', 'GetObject', 'GetObjectVersion', 'DeleteObject', 'DeleteObjectVersion'];
    const statements = [
      {
        Effect: 'Allow',
        Action: ['s3:ListBucket'],
        Resource: ['arn:aws:s3:::$BUCKET'],
        Condition: { StringLike: { 's3:prefix': `${thing}/*` } },
      },
      { Effect: 'Allow', Action: objects.map((name) => `s3:${name}`), Resource: `arn:aws:s3:::$BUCKET/${thing}/*` },
    ] as const;
    let s3: S3Client;
    beforeAll(async () => {
      s3 = run.client(await run.issueKeys(statements, { 'credentials-iot:ThingName': 'lathe-7' }));
    });

    test('its own folder', async () => {
      await put(s3, 'lathe-7/test.txt');
      expect(await readText(get(s3, 'lathe-7/test.txt'))).toBe('lathe-7/test.txt');
      if (run.deviates('escapes-break-signatures')) {
        await run.expectRefusal(list(s3, 'lathe-7/'), { status: 403, code: 'SignatureDoesNotMatch' });
      } else {
        expect((await list(s3, 'lathe-7/')).KeyCount).toBe(1);
      }
      await copy(s3, 'lathe-7/test.txt', 'lathe-7/archive/test.txt');
      await remove(s3, 'lathe-7/test.txt');
      const tagged = put(s3, 'lathe-7/tagged', { Tagging: 'a=b' });
      await run.expectRefusal(tagged, denied, { 'tagging-needs-no-permission': 'accepted' });
    });

    test("another thing's folder and the bucket's root are forbidden", async () => {
      await put(run.s3, 'lathe-8/secret');
      await run.expectRefusal(put(s3, 'lathe-8/x'), denied);
      await run.expectRefusal(put(s3, 'root.txt'), denied);
      await run.expectRefusal(get(s3, 'lathe-8/secret'), denied);
      await run.expectRefusal(list(s3, 'lathe-8/'), denied, broken);
      await run.expectRefusal(list(s3, ''), denied, { 'policy-conditions-ignored': 'accepted' });
      const theft = copy(s3, 'lathe-8/secret', 'lathe-7/stolen');
      await run.expectRefusal(theft, denied, { 'copy-source-unchecked': 'accepted' });
    });

    test('ListBucket for other prefixes does not make a missing key a 404', async () => {
      await run.expectRefusal(head(s3, 'lathe-7/missing'), { status: 403 }, toldToReaders);
    });
  });

  describe('the whole bucket (pull and move)', () => {
    test('a move works, another bucket is forbidden', async () => {
      const actions = ['s3:ListBucket', 's3:GetObject', 's3:PutObject', 's3:DeleteObject'];
      const Resource = ['arn:aws:s3:::$BUCKET', 'arn:aws:s3:::$BUCKET/*'];
      const s3 = run.client(await run.issueKeys([{ Effect: 'Allow', Action: actions, Resource }]));
      await put(s3, 'swx-test-a/test.txt');
      if (!run.deviates('escapes-break-signatures')) expect((await list(s3, 'swx-test-a')).KeyCount).toBe(1);
      await copy(s3, 'swx-test-a/test.txt', 'swx-test-b/test.txt');
      await remove(s3, 'swx-test-a/test.txt');
      expect(await readText(get(s3, 'swx-test-b/test.txt'))).toBe('swx-test-a/test.txt');
      await run.engine.createBucket(`${run.bucket}-other`);
      const elsewhere = { Bucket: `${run.bucket}-other`, Key: 'x', Body: Buffer.from('x') };
      await run.expectRefusal(s3.send(new PutObjectCommand(elsewhere)), denied);
    });

    test('a copy that takes tags along needs leave to read and write them', async () => {
      const Resource = 'arn:aws:s3:::$BUCKET/*';
      const keys = await run.issueKeys([{ Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject'], Resource }]);
      const s3 = run.client(keys);
      await put(await anyClient(), 'tagged-source', { Tagging: 'colour=blue' });
      await run.expectRefusal(copy(s3, 'tagged-source', 'tagged-copy'), denied, {
        'tagging-needs-no-permission': 'accepted',
      });
      await copy(s3, 'tagged-source', 'untagged-copy', { TaggingDirective: 'REPLACE' });
      expect(await readText(get(s3, 'untagged-copy'))).toBe('tagged-source');
    });
  });

  describe('presigned URLs', () => {
    test('serve whoever holds them, for what was signed, for their time', async () => {
      await put(run.s3, 'presigned');
      const url = await run.presign('presigned', 60);
      if (run.deviates('presigned-is-a-crash')) {
        await run.expectAnswer(run.fetch(url), { status: 500 });
        return;
      }
      expect(await run.fetch(url)).toMatchObject({ status: 200, text: 'presigned' });
      expect(await run.fetch(url, { range: 'bytes=0-2' })).toMatchObject({ status: 206, text: 'pre' });
      const refused = { status: 403, code: 'SignatureDoesNotMatch' };
      const altered = url.replace(/(X-Amz-Signature=)...../, '$100000');
      await run.expectAnswer(run.fetch(altered), refused, otherCode);
      const past = await run.presign('presigned', 60, new Date(Date.now() - 120_000));
      await run.expectAnswer(run.fetch(past), denied);
    });
  });

  describe('ListBucket', () => {
    test('makes a missing key a 404', async () => {
      const s3 = run.client(
        await run.issueKeys([
          { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::$BUCKET/*' },
          { Effect: 'Allow', Action: 's3:ListBucket', Resource: 'arn:aws:s3:::$BUCKET' },
        ]),
      );
      await run.expectRefusal(get(s3, 'missing'), { status: 404, code: 'NoSuchKey' });
      await run.expectRefusal(head(s3, 'missing'), { status: 404 });
    });
  });
}
