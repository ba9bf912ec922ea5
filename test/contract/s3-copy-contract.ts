import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  type CopyObjectCommandInput,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';
import { ODD_KEYS } from './odd-keys';
import { readBytes, readText } from './read-object';

const MIB = 1024 * 1024;

/** Copies inside S3: the archive's half of "pull and move". */
export function describeCopy(run: ContractRun): void {
  const put = (Key: string, Body: string | Uint8Array, more: object = {}) =>
    run.s3.send(new PutObjectCommand({ Bucket: run.bucket, Key, Body, ...more }));
  const get = (Key: string) => run.s3.send(new GetObjectCommand({ Bucket: run.bucket, Key }));
  const sourceOf = (key: string) => `${run.bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
  const copy = (from: string, to: string, more: Partial<CopyObjectCommandInput> = {}) =>
    run.s3.send(new CopyObjectCommand({ Bucket: run.bucket, Key: to, CopySource: sourceOf(from), ...more }));
  const tagsOf = async (Key: string) =>
    (await run.s3.send(new GetObjectTaggingCommand({ Bucket: run.bucket, Key }))).TagSet;

  describe('copy', () => {
    test.each(ODD_KEYS)('from %j, escaped in CopySource', async (key) => {
      await put(key, `bytes of ${key}`);
      await copy(key, `copied/${key}`);
      expect(await readText(get(`copied/${key}`))).toBe(`bytes of ${key}`);
    });

    test('answers the ETag of the copy', async () => {
      const { ETag = '' } = await put('etag', 'x');
      const { CopyObjectResult } = await copy('etag', 'etag-copy');
      expect(CopyObjectResult?.ETag).toBe(run.deviates('copy-etag-unquoted') ? ETag.replaceAll('"', '') : ETag);
    });

    test('takes type and metadata along, unless they are replaced', async () => {
      await put('from', 'x', { ContentType: 'text/x-from', Metadata: { of: 'from' } });
      await copy('from', 'to');
      expect(await get('to')).toMatchObject({ ContentType: 'text/x-from', Metadata: { of: 'from' } });
      await copy('from', 'to', { MetadataDirective: 'REPLACE', ContentType: 'text/x-to', Metadata: { by: 'to' } });
      const { ContentType, Metadata } = await get('to');
      expect({ ContentType, Metadata }).toEqual({ ContentType: 'text/x-to', Metadata: { by: 'to' } });
    });

    test('takes tags along, unless they are replaced', async () => {
      await put('tagged', 'x', { Tagging: 'colour=blue' });
      await copy('tagged', 'tagged-copy');
      const tags = [{ Key: 'colour', Value: 'blue' }];
      expect(await tagsOf('tagged-copy')).toEqual(tags);
      await copy('tagged', 'tagged-copy', { TaggingDirective: 'REPLACE' });
      expect(await tagsOf('tagged-copy')).toEqual(run.deviates('copy-keeps-tags') ? tags : []);
    });

    test('CopySourceIfMatch and CopySourceIfNoneMatch', async () => {
      const { ETag } = await put('matched', 'x');
      const failed = { status: 412, code: 'PreconditionFailed' };
      const other = copy('matched', 'unmatched-to', { CopySourceIfMatch: '"other"' });
      await run.expectRefusal(other, failed, { 'copy-ignores-conditions': 'accepted' });
      const same = copy('matched', 'unmatched-to', { CopySourceIfNoneMatch: ETag });
      await run.expectRefusal(same, failed, { 'copy-ignores-none-match': 'accepted' });
      await copy('matched', 'matched-to', { CopySourceIfMatch: ETag });
      expect(await readText(get('matched-to'))).toBe('x');
    });

    test('a missing source is NoSuchKey', async () => {
      await run.expectRefusal(copy('never', 'to'), { status: 404, code: 'NoSuchKey' });
    });

    test('onto itself without a change is refused', async () => {
      await put('itself', 'x');
      await run.expectRefusal(copy('itself', 'itself'), { status: 400, code: 'InvalidRequest' });
    });

    test('UploadPartCopy makes an object of ranges; metadata and tags stay behind', async () => {
      const bytes = Buffer.alloc(6 * MIB, 'abcdefg');
      const { ETag: sourceTag } = await put('large source+1', bytes, { Metadata: { of: 'source' }, Tagging: 'a=b' });
      const to = { Bucket: run.bucket, Key: 'large-copy' };
      const { UploadId } = await run.s3.send(new CreateMultipartUploadCommand(to));
      const part = (PartNumber: number, CopySourceRange: string, CopySourceIfMatch: string | undefined) =>
        run.s3.send(
          new UploadPartCopyCommand({
            ...to,
            UploadId,
            PartNumber,
            CopySource: sourceOf('large source+1'),
            CopySourceRange,
            CopySourceIfMatch,
          }),
        );
      const first = await part(1, `bytes=0-${5 * MIB - 1}`, sourceTag);
      const failed = { status: 412, code: 'PreconditionFailed' };
      const changed = part(2, 'bytes=0-9', '"other"');
      await run.expectRefusal(changed, failed, { 'part-copy-ignores-conditions': 'accepted' });
      const second = await part(2, `bytes=${5 * MIB}-${6 * MIB - 1}`, sourceTag);
      const Parts = [first, second].map(({ CopyPartResult }, i) => ({ PartNumber: i + 1, ETag: CopyPartResult?.ETag }));
      await run.s3.send(new CompleteMultipartUploadCommand({ ...to, UploadId, MultipartUpload: { Parts } }));
      expect((await readBytes(get('large-copy'))).equals(bytes)).toBe(true);
      expect((await run.s3.send(new HeadObjectCommand(to))).Metadata).toEqual({});
      expect(await tagsOf('large-copy')).toEqual([]);
    });
  });
}
