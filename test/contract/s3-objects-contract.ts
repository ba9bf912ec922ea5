import { createHash } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';
import { LONGEST_KEY, ODD_KEYS } from './odd-keys';
import { readBytes, readText } from './read-object';

const md5 = (text: string) => `"${createHash('md5').update(text).digest('hex')}"`;

/** One object at a time: what is put is what comes back, under conditions and in ranges. */
export function describeObjects(run: ContractRun): void {
  const put = (Key: string, Body: string, more: object = {}) =>
    run.s3.send(new PutObjectCommand({ Bucket: run.bucket, Key, Body: Buffer.from(Body), ...more }));
  const get = (Key: string, more: object = {}) =>
    run.s3.send(new GetObjectCommand({ Bucket: run.bucket, Key, ...more }));
  const head = (Key: string) => run.s3.send(new HeadObjectCommand({ Bucket: run.bucket, Key }));

  describe('objects', () => {
    test('PUT answers the MD5 as ETag; GET and HEAD give back bytes, type and metadata', async () => {
      const sent = await put('whole.txt', 'the whole thing', {
        ContentType: 'text/x-contract',
        CacheControl: 'no-store',
        Metadata: { 'courier-id': 'a-1', 'Mixed-Case': 'Value Kept As Is' },
      });
      expect(sent.ETag).toBe(md5('the whole thing'));
      for (const answer of [await get('whole.txt'), await head('whole.txt')]) {
        expect(answer).toMatchObject({
          ContentLength: 15,
          ETag: sent.ETag,
          ContentType: 'text/x-contract',
          CacheControl: 'no-store',
          Metadata: { 'courier-id': 'a-1', 'mixed-case': 'Value Kept As Is' },
        });
        expect(Math.abs((answer.LastModified?.getTime() ?? 0) - Date.now())).toBeLessThan(30_000);
      }
      expect(await readText(get('whole.txt'))).toBe('the whole thing');
    });

    test('an object of no bytes is an object', async () => {
      expect((await put('empty', '')).ETag).toBe(md5(''));
      expect((await head('empty')).ContentLength).toBe(0);
      expect(await readBytes(get('empty'))).toHaveLength(0);
    });

    test('a second PUT replaces bytes and metadata', async () => {
      await put('twice', 'first', { Metadata: { of: 'first' } });
      await put('twice', 'second', { Metadata: { by: 'second' } });
      expect(await readText(get('twice'))).toBe('second');
      expect((await head('twice')).Metadata).toEqual({ by: 'second' });
    });

    test('a missing key and a missing bucket have different codes', async () => {
      await run.expectRefusal(get('missing'), { status: 404, code: 'NoSuchKey' });
      await run.expectRefusal(head('missing'), { status: 404 });
      const nowhere = new PutObjectCommand({ Bucket: `${run.bucket}-missing`, Key: 'k', Body: 'b' });
      await run.expectRefusal(run.s3.send(nowhere), { status: 404, code: 'NoSuchBucket' });
    });

    test('DELETE succeeds twice', async () => {
      await put('gone', 'x');
      const remove = () => run.s3.send(new DeleteObjectCommand({ Bucket: run.bucket, Key: 'gone' }));
      expect((await remove()).$metadata.httpStatusCode).toBe(204);
      expect((await remove()).$metadata.httpStatusCode).toBe(204);
      await run.expectRefusal(head('gone'), { status: 404 });
    });

    test.each([
      ['bytes=2-5', '2345', 'bytes 2-5/10'],
      ['bytes=7-', '789', 'bytes 7-9/10'],
      ['bytes=-3', '789', 'bytes 7-9/10'],
      ['bytes=8-99', '89', 'bytes 8-9/10'],
    ])('Range %s', async (Range, text, ContentRange) => {
      await put('ranged', '0123456789');
      const answer = await get('ranged', { Range });
      expect(answer).toMatchObject({ ContentRange, ContentLength: text.length, $metadata: { httpStatusCode: 206 } });
      expect(await readText(answer)).toBe(text);
    });

    test('a Range behind the end is refused', async () => {
      await put('ranged', '0123456789');
      await run.expectRefusal(get('ranged', { Range: 'bytes=10-' }), { status: 416, code: 'InvalidRange' });
    });

    test('metadata beyond 2 KB is refused', async () => {
      const large = put('metadata', 'x', { Metadata: { a: 'x'.repeat(1500), b: 'x'.repeat(1500) } });
      const refused = { status: 400, code: 'MetadataTooLarge' };
      await run.expectRefusal(large, refused, { 'metadata-unlimited': 'accepted' });
    });

    test('the storage class is kept; STANDARD is not mentioned', async () => {
      await put('class', 'x', { StorageClass: 'STANDARD' });
      const told = run.deviates('standard-class-told') ? 'STANDARD' : undefined;
      expect((await head('class')).StorageClass).toBe(told);
      const infrequent = put('class', 'x', { StorageClass: 'STANDARD_IA' });
      if (run.deviates('storage-class-unknown')) {
        await run.expectRefusal(infrequent, { status: 400, code: 'InvalidArgument' });
        return;
      }
      await infrequent;
      expect((await head('class')).StorageClass).toBe('STANDARD_IA');
    });
  });

  describe('keys', () => {
    test.each([...ODD_KEYS.map((key) => [key, key]), ['1,024 bytes', LONGEST_KEY]])(
      '%j comes back as it was put',
      async (_, key = '') => {
        await put(key, key);
        expect(await readText(get(key))).toBe(key);
        expect((await head(key)).ContentLength).toBe(Buffer.byteLength(key));
        const listed = await run.s3.send(
          new ListObjectsV2Command({ Bucket: run.bucket, Prefix: key, EncodingType: 'url' }),
        );
        expect(listed.Contents?.map(({ Key }) => decodeURIComponent((Key ?? '').replaceAll('+', ' ')))).toContain(key);
      },
    );

    test('1,025 bytes are too many, also as fewer characters', async () => {
      for (const key of [`${LONGEST_KEY}x`, 'ä'.repeat(513)]) {
        await run.expectRefusal(
          put(key, 'x'),
          { status: 400, code: 'KeyTooLongError' },
          { 'keys-unlimited': 'accepted', 'long-key-is-invalid-name': { status: 400, code: 'InvalidObjectName' } },
        );
      }
    });
  });

  describe('conditions', () => {
    test('GET If-Match and If-None-Match', async () => {
      const { ETag } = await put('condition', 'x');
      await run.expectRefusal(get('condition', { IfMatch: '"other"' }), {
        status: 412,
        code: 'PreconditionFailed',
      });
      await run.expectRefusal(get('condition', { IfNoneMatch: ETag }), { status: 304 });
      expect(await readText(get('condition', { IfMatch: ETag }))).toBe('x');
    });

    test('PUT If-None-Match: * keeps what is there', async () => {
      await put('absent-only', 'first', { IfNoneMatch: '*' });
      await run.expectRefusal(put('absent-only', 'second', { IfNoneMatch: '*' }), {
        status: 412,
        code: 'PreconditionFailed',
      });
      expect(await readText(get('absent-only'))).toBe('first');
    });

    test('PUT If-Match replaces only that version', async () => {
      const { ETag = '' } = await put('this-only', 'first');
      const failed = { status: 412, code: 'PreconditionFailed' };
      await run.expectRefusal(put('this-only', 'other', { IfMatch: md5('never') }), failed);
      const unquoted = run.deviates('put-if-match-unquoted');
      if (unquoted) await run.expectRefusal(put('this-only', 'second', { IfMatch: ETag }), failed);
      await put('this-only', 'second', { IfMatch: unquoted ? ETag.replaceAll('"', '') : ETag });
      expect(await readText(get('this-only'))).toBe('second');
      const absent = put('none-at-all', 'x', { IfMatch: ETag });
      const missing = { status: 404, code: 'NoSuchKey' };
      await run.expectRefusal(absent, missing, { 'put-if-match-absent-is-412': failed });
    });

    test('DELETE If-Match removes only that version', async () => {
      const { ETag } = await put('delete-this', 'x');
      const remove = (IfMatch: string | undefined) =>
        run.s3.send(new DeleteObjectCommand({ Bucket: run.bucket, Key: 'delete-this', IfMatch }));
      const failed = { status: 412, code: 'PreconditionFailed' };
      await run.expectRefusal(remove(md5('never')), failed, { 'delete-ignores-conditions': 'accepted' });
      if (!run.deviates('delete-ignores-conditions')) {
        expect((await head('delete-this')).ETag).toBe(ETag);
        await remove(ETag);
      }
      await run.expectRefusal(head('delete-this'), { status: 404 });
    });
  });
}
