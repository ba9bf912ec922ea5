import { crc32 } from 'node:zlib';
import { GetObjectTaggingCommand } from '@aws-sdk/client-s3';
import { crc32ToBase64 } from '../../src/domain/crc32';
import type { ObjectStore } from '../../src/upload/object-store';
import type { ContractRun } from './contract-run';
import { makeBody } from './make-body';
import { LONGEST_KEY, ODD_KEYS } from './odd-keys';
import { readText } from './read-object';
import { attributesOf, NEVER, StoreRun } from './store-run';

const BYTES = Buffer.from('bytes of an object');

/** Keys, what is kept beside the bytes, and conditions. */
export function describeStoreObjects(run: ContractRun): void {
  const s = new StoreRun(run);
  let store: ObjectStore;
  beforeAll(async () => {
    await s.start();
    store = s.store();
  });
  afterAll(() => s.stop());

  describe('keys', () => {
    test.each([...ODD_KEYS.map((key) => [key, key]), ['1,024 bytes', LONGEST_KEY]])('%j', async (_, key = '') => {
      await s.put(store, key, Buffer.from(key));
      expect(await readText(s.get(key))).toBe(key);
      expect(await store.findObject(key, NEVER)).toMatchObject({ size: Buffer.byteLength(key) });
      const { upload, parts, whole } = await s.begin(store, key, [BYTES]);
      expect(await store.listParts(upload, NEVER)).toHaveLength(1);
      await store.completeMultipart(upload, parts, whole, false, NEVER);
      expect(await readText(s.get(key))).toBe(BYTES.toString());
    });

    test('1,025 bytes', async () => {
      // Not a key's own failure in a room: keys are measured before they come here.
      const unlimited = { 'keys-unlimited': 'accepted', 'long-key-is-invalid-name': 'REQUEST_REFUSED' } as const;
      await s.expectCode(s.put(store, `${LONGEST_KEY}x`, BYTES), 'KEY_TOO_LONG', unlimited);
      const create = store.createMultipart(attributesOf(`${LONGEST_KEY}x`), NEVER);
      await s.expectCode(create, 'KEY_TOO_LONG', unlimited);
    });
  });

  describe('beside the bytes', () => {
    const metadata = {
      'courier-id': 'ledger.7',
      'courier-crc32': crc32ToBase64(crc32(BYTES)),
      'courier-path': 'a%20b',
    };
    const attributes = (key: string) => ({ key, contentType: 'text/x-contract', metadata });
    const found = { size: BYTES.length, metadataCrc32: crc32(BYTES), uploadId: 'ledger.7' };

    test('type and metadata of a single PUT', async () => {
      await store.putObject(attributes('beside/single'), makeBody(BYTES, store.digestNeeds), false, NEVER);
      expect(await s.get('beside/single')).toMatchObject({ ContentType: 'text/x-contract', Metadata: metadata });
      expect(await store.findObject('beside/single', NEVER)).toMatchObject(found);
    });

    test('type and metadata of a multipart upload', async () => {
      const id = await store.createMultipart(attributes('beside/parts'), NEVER);
      const upload = { key: 'beside/parts', id };
      const part = await s.sendPart(store, upload, 1, 0, BYTES);
      await store.completeMultipart(upload, [part], { sizeBytes: BYTES.length, crc32: crc32(BYTES) }, false, NEVER);
      expect(await s.get('beside/parts')).toMatchObject({ ContentType: 'text/x-contract', Metadata: metadata });
      expect(await store.findObject('beside/parts', NEVER)).toMatchObject(found);
    });

    test('findObject tells the ETag, and nothing of a missing object', async () => {
      await s.put(store, 'beside/found', BYTES);
      const { ETag } = await s.get('beside/found');
      expect((await store.findObject('beside/found', NEVER))?.etag).toBe(ETag);
      expect(await store.findObject('beside/missing', NEVER)).toBeUndefined();
    });

    test('tags', async () => {
      const tagging = s.store({ tags: { plant: 'Zürich / Bern: 1+2=3', 'a+b': '1=2' } });
      const tags = [
        { Key: 'a+b', Value: '1=2' },
        { Key: 'plant', Value: 'Zürich / Bern: 1+2=3' },
      ];
      const tagsOf = async (Key: string) => {
        const kept = await run.client(s.keys).send(new GetObjectTaggingCommand({ Bucket: run.bucket, Key }));
        return (kept.TagSet ?? []).sort((a, b) => (a.Key ?? '').localeCompare(b.Key ?? ''));
      };
      await s.put(tagging, 'tags/single', BYTES);
      expect(await tagsOf('tags/single')).toEqual(tags);
      const { upload, parts, whole } = await s.begin(tagging, 'tags/parts', [BYTES]);
      await tagging.completeMultipart(upload, parts, whole, false, NEVER);
      expect(await tagsOf('tags/parts')).toEqual(run.deviates('create-drops-tags') ? [] : tags);
    });

    test('a tag S3 does not take', async () => {
      const put = s.put(s.store({ tags: { k: 'v'.repeat(257) } }), 'tags/wrong', BYTES);
      await s.expectCode(put, 'TAG_INVALID', { 'wrong-tag-header-is-invalid-argument': 'REQUEST_REFUSED' });
    });

    test('the storage class', async () => {
      const infrequent = s.store({ storageClass: 'STANDARD_IA' });
      if (run.deviates('storage-class-unknown')) {
        await s.expectCode(s.put(infrequent, 'class/single', BYTES), 'REQUEST_REFUSED');
        return;
      }
      await s.put(infrequent, 'class/single', BYTES);
      expect((await s.get('class/single')).StorageClass).toBe('STANDARD_IA');
      const { upload, parts, whole } = await s.begin(infrequent, 'class/parts', [BYTES]);
      await infrequent.completeMultipart(upload, parts, whole, false, NEVER);
      expect((await s.get('class/parts')).StorageClass).toBe('STANDARD_IA');
    });
  });

  describe('only if absent', () => {
    test('a single PUT', async () => {
      await s.put(store, 'absent/single', BYTES, 'buffer', true);
      const second = s.put(store, 'absent/single', Buffer.from('other'), 'buffer', true);
      await s.expectCode(second, 'PRECONDITION_FAILED');
      expect(await readText(s.get('absent/single'))).toBe(BYTES.toString());
    });

    test('a single PUT long enough to be asked for its body', async () => {
      const bytes = Buffer.alloc(2 * 1024 * 1024, 'long ');
      await s.put(store, 'absent/long', bytes, 'streamed', true);
      await s.expectCode(s.put(store, 'absent/long', bytes, 'streamed', true), 'PRECONDITION_FAILED');
    });

    test('a multipart upload', async () => {
      await s.put(store, 'absent/parts', BYTES);
      const { upload, parts, whole } = await s.begin(store, 'absent/parts', [Buffer.from('other')]);
      const complete = store.completeMultipart(upload, parts, whole, true, NEVER);
      await s.expectCode(complete, 'PRECONDITION_FAILED', { 'complete-ignores-conditions': 'accepted' });
      const kept = run.deviates('complete-ignores-conditions') ? 'other' : BYTES.toString();
      expect(await readText(s.get('absent/parts'))).toBe(kept);
    });
  });
}
