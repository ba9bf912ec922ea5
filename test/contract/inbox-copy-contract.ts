import { randomBytes } from 'node:crypto';
import { DeleteObjectCommand, GetObjectTaggingCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';
import type { InboxOptions } from './make-store';
import { oddestKeys } from './odd-keys';
import { readBytes, readText } from './read-object';
import { NEVER, StoreRun } from './store-run';

const MIB = 1024 * 1024;
const BESIDE = {
  ContentType: 'text/x-inbox',
  ContentDisposition: 'attachment',
  CacheControl: 'no-cache',
  Metadata: { mtime: '1700000000.000000001', mode: '100640', other: 'a%20b' },
};
/** All at once, and in parts. */
const WAYS: readonly [string, Partial<InboxOptions>][] = [
  ['at once', {}],
  ['in parts', { copyMaxBytes: 4 }],
];

/** Into the archive: what is copied is this very version, with all that belongs to it. */
export function describeInboxCopy(run: ContractRun): void {
  // Not only refused: the gateway ends.
  const s = new StoreRun(run, run.deviates('part-copy-by-token-is-a-crash') ? 'owner' : 'token');
  beforeAll(() => s.start());
  afterAll(() => s.stop());
  const version = (etag: string, sizeBytes: number) => ({ etag, sizeBytes, checksums: {} });

  describe.each(WAYS)('%s', (way, options) => {
    const folder = way.replaceAll(' ', '-');
    const copy = (key: string, etag: string, sizeBytes: number, to: string, onlyIfAbsent = false) =>
      s.inbox(options).copy(key, version(etag, sizeBytes), to, onlyIfAbsent, NEVER);

    const isCrash = (key: string) =>
      way === 'in parts' && key.includes('%') && run.deviates('part-copy-of-percent-is-a-crash');
    test.each(oddestKeys(run).filter((key) => !isCrash(key)))('%j', async (key) => {
      const etag = await s.place(key, `bytes of ${key}`);
      await copy(key, etag, Buffer.byteLength(`bytes of ${key}`), `${folder}/${key}`);
      expect(await readText(s.get(`${folder}/${key}`))).toBe(`bytes of ${key}`);
    });

    test('metadata and content type go along', async () => {
      const etag = await s.place(`${folder}-beside`, 'bytes', BESIDE);
      await copy(`${folder}-beside`, etag, 5, `${folder}/beside`);
      expect(await s.get(`${folder}/beside`)).toMatchObject(BESIDE);
    });

    test('tags go along', async () => {
      const etag = await s.place(`${folder}-tagged`, 'bytes', { Tagging: 'colour=blue&a%20b=1%2B2' });
      await copy(`${folder}-tagged`, etag, 5, `${folder}/tagged`);
      const at = { Bucket: run.bucket, Key: `${folder}/tagged` };
      const { TagSet = [] } = await s.s3.send(new GetObjectTaggingCommand(at));
      const isLost = way === 'in parts' && run.deviates('create-drops-tags');
      const pairs = TagSet.map(({ Key, Value }) => `${Key}=${Value}`).sort();
      expect(pairs).toEqual(isLost ? [] : ['a b=1+2', 'colour=blue']);
    });

    test('what is there is not copied over where it may not be: PRECONDITION_FAILED', async () => {
      const etag = await s.place(`${folder}-guarded`, 'bytes');
      await s.place(`${folder}/guarded`, 'somebody else');
      const ignores = way === 'in parts' ? 'complete-ignores-conditions' : 'copy-ignores-absence';
      await s.expectCode(copy(`${folder}-guarded`, etag, 5, `${folder}/guarded`, true), 'PRECONDITION_FAILED', {
        [ignores]: 'accepted',
      });
      expect(await readText(s.get(`${folder}/guarded`))).toBe(run.deviates(ignores) ? 'bytes' : 'somebody else');
      await copy(`${folder}-guarded`, etag, 5, `${folder}/unguarded`, true);
      expect(await readText(s.get(`${folder}/unguarded`))).toBe('bytes');
    });

    test('another version is OBJECT_CHANGED, wherever it was to go, and none is OBJECT_MISSING', async () => {
      const etag = await s.place(`${folder}-changed`, 'first');
      await s.place(`${folder}-changed`, 'other');
      const isUnseen = way === 'at once' && run.deviates('copy-ignores-conditions');
      await s.expectCode(
        copy(`${folder}-changed`, etag, 5, `${folder}/changed`),
        isUnseen ? 'accepted' : 'OBJECT_CHANGED',
      );
      const there = copy(`${folder}-changed`, etag, 5, `${folder}/guarded`, true);
      await s.expectCode(there, isUnseen ? 'accepted' : 'OBJECT_CHANGED');
      await s.s3.send(new DeleteObjectCommand({ Bucket: run.bucket, Key: `${folder}-changed` }));
      await s.expectCode(copy(`${folder}-changed`, etag, 5, `${folder}/changed`), 'OBJECT_MISSING');
    });

    test('a repeated copy goes over the first', async () => {
      const etag = await s.place(`${folder}-twice`, 'twice');
      await copy(`${folder}-twice`, etag, 5, `${folder}/twice`);
      await copy(`${folder}-twice`, etag, 5, `${folder}/twice`);
      expect(await readText(s.get(`${folder}/twice`))).toBe('twice');
    });

    test('nothing half done stays behind', async () => {
      const { Uploads = [] } = await s.s3.send(new ListMultipartUploadsCommand({ Bucket: run.bucket, Prefix: folder }));
      expect(Uploads).toEqual([]);
    });
  });

  test('where conditions are not heeded it is looked at before', async () => {
    const etag = await s.place('looked-at', 'first');
    await s.place('looked-at', 'other, longer');
    const store = s.inbox({ heedsConditions: false });
    await s.expectCode(store.copy('looked-at', version(etag, 5), 'looked-at-copy', false, NEVER), 'OBJECT_CHANGED');
    await s.expectCode(store.copy('looked-for', version(etag, 5), 'looked-at-copy', false, NEVER), 'OBJECT_MISSING');
    expect(await store.find('looked-at-copy', NEVER)).toBeUndefined();
  });

  test('in several parts, whole, with the checksum of the whole', async () => {
    const bytes = randomBytes(11 * MIB);
    const etag = await s.place('several +ü', bytes);
    await s
      .inbox({ copyMaxBytes: 5 * MIB })
      .copy('several +ü', version(etag, bytes.length), 'several-copy', false, NEVER);
    const kept = await s.get('several-copy');
    expect(kept.ETag).toMatch(/-3"$/);
    expect((await readBytes(kept)).equals(bytes)).toBe(true);
  });
}
