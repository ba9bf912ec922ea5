import {
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type Tag,
} from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';
import { readText } from './read-object';

/** Object tags, given with the object and afterwards. */
export function describeTags(run: ContractRun): void {
  const put = (Tagging: string) =>
    run.s3.send(new PutObjectCommand({ Bucket: run.bucket, Key: 'tags', Body: 'bytes', Tagging }));
  const tag = (...TagSet: Tag[]) =>
    run.s3.send(new PutObjectTaggingCommand({ Bucket: run.bucket, Key: 'tags', Tagging: { TagSet } }));
  const tags = async () => (await run.s3.send(new GetObjectTaggingCommand({ Bucket: run.bucket, Key: 'tags' }))).TagSet;

  const headerRefused = { 'wrong-tag-header-is-invalid-argument': { status: 400, code: 'InvalidArgument' } };

  describe('tags', () => {
    test('come with PUT, escaped, and are counted', async () => {
      await put('plant=Z%C3%BCrich%201&kind=raw%2Flog');
      expect(await tags()).toEqual(
        expect.arrayContaining([
          { Key: 'plant', Value: 'Zürich 1' },
          { Key: 'kind', Value: 'raw/log' },
        ]),
      );
      const object = await run.s3.send(new GetObjectCommand({ Bucket: run.bucket, Key: 'tags' }));
      expect(object.TagCount).toBe(2);
      expect(await readText(object)).toBe('bytes');
    });

    test('PutObjectTagging replaces them and leaves the object alone', async () => {
      await put('old=1');
      await tag({ Key: 'new', Value: '2' });
      expect(await tags()).toEqual([{ Key: 'new', Value: '2' }]);
      const { ContentLength } = await run.s3.send(new HeadObjectCommand({ Bucket: run.bucket, Key: 'tags' }));
      expect(ContentLength).toBe(5);
    });

    test('a second PUT without tags has none', async () => {
      await put('old=1');
      await run.s3.send(new PutObjectCommand({ Bucket: run.bucket, Key: 'tags', Body: 'bytes' }));
      expect(await tags()).toEqual([]);
    });

    test.each([
      ['a key of 129 characters', { Key: 'k'.repeat(129), Value: 'v' }],
      ['a value of 257 characters', { Key: 'k', Value: 'v'.repeat(257) }],
    ])('%s is InvalidTag', async (_, wrong) => {
      const refused = { status: 400, code: 'InvalidTag' };
      await run.expectRefusal(put(`${wrong.Key}=${wrong.Value}`), refused, headerRefused);
      await put('');
      await run.expectRefusal(tag(wrong), refused);
    });

    test('one key twice is InvalidTag', async () => {
      await put('');
      const twice = tag({ Key: 'k', Value: '1' }, { Key: 'k', Value: '2' });
      await run.expectRefusal(twice, { status: 400, code: 'InvalidTag' }, { 'tag-keys-repeat': 'accepted' });
    });

    test('an eleventh tag is refused', async () => {
      const eleven = Array.from({ length: 11 }, (_, i) => `k${i}=v`).join('&');
      await run.expectRefusal(put(eleven), { status: 400 });
      await put('');
      await run.expectRefusal(tag(...Array.from({ length: 11 }, (_, i) => ({ Key: `k${i}`, Value: 'v' }))), {
        status: 400,
      });
    });
  });
}
