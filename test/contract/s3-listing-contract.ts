import { ListObjectsV2Command, type ListObjectsV2CommandInput, PutObjectCommand } from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';

const KEYS = [
  'list/a',
  'list/b/1',
  'list/b/2',
  'list/c',
  'list/d/1',
  'list/e',
  'list/ä',
  'list/\u{1f600}',
  'list/\uffee',
];

/** ListObjectsV2. */
export function describeListing(run: ContractRun): void {
  const list = (more: Partial<ListObjectsV2CommandInput>) =>
    run.s3.send(new ListObjectsV2Command({ Bucket: run.bucket, Prefix: 'list/', ...more }));

  describe('listing', () => {
    beforeAll(async () => {
      for (const Key of KEYS) await run.s3.send(new PutObjectCommand({ Bucket: run.bucket, Key, Body: Key }));
    });

    test('gives key, size and ETag in the order of UTF-8 bytes', async () => {
      const { Contents, KeyCount, IsTruncated } = await list({});
      const inOrder = [...KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(Contents?.map(({ Key }) => Key)).toEqual(inOrder);
      expect(Contents?.[0]).toMatchObject({
        Size: 6,
        ETag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
        StorageClass: 'STANDARD',
      });
      expect({ KeyCount, IsTruncated }).toEqual({ KeyCount: KEYS.length, IsTruncated: false });
    });

    test('pages by continuation token', async () => {
      const seen: (string | undefined)[] = [];
      let token: string | undefined;
      let pages = 0;
      do {
        const page = await list({ MaxKeys: 2, ContinuationToken: token });
        expect(page.KeyCount).toBe(page.Contents?.length);
        seen.push(...(page.Contents ?? []).map(({ Key }) => Key));
        token = page.NextContinuationToken;
        expect(page.IsTruncated).toBe(token !== undefined);
        pages += 1;
      } while (token !== undefined && pages < 20);
      expect(pages).toBe(5);
      expect([...seen].sort()).toEqual([...KEYS].sort());
    });

    test('a delimiter folds what lies deeper, and a folded prefix counts as one', async () => {
      const whole = await list({ Delimiter: '/' });
      expect(whole.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['list/b/', 'list/d/']);
      expect(whole.Contents).toHaveLength(6);
      const first = await list({ Delimiter: '/', MaxKeys: 2 });
      expect(first).toMatchObject({ KeyCount: 2, IsTruncated: true });
      expect(first.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['list/b/']);
      const second = await list({ Delimiter: '/', MaxKeys: 2, ContinuationToken: first.NextContinuationToken });
      expect(second.Contents?.map(({ Key }) => Key)).toEqual(['list/c']);
      expect(second.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['list/d/']);
    });

    test('StartAfter is exclusive', async () => {
      const { Contents } = await list({ StartAfter: 'list/c', MaxKeys: 2 });
      expect(Contents?.map(({ Key }) => Key)).toEqual(['list/d/1', 'list/e']);
    });

    test('EncodingType url escapes keys', async () => {
      const { Contents, EncodingType } = await list({ Prefix: 'list/ä', EncodingType: 'url' });
      expect(EncodingType).toBe('url');
      expect(Contents?.[0]?.Key).toMatch(/%C3%A4$/i);
      expect(decodeURIComponent(Contents?.[0]?.Key ?? '')).toBe('list/ä');
    });

    test('a prefix nobody uses is an empty list', async () => {
      expect(await list({ Prefix: 'nobody/' })).toMatchObject({ KeyCount: 0, IsTruncated: false });
    });
  });
}
