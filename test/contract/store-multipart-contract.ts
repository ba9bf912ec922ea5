import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ObjectStore } from '../../src/upload/object-store';
import type { SentPart } from '../../src/upload/part-plan';
import type { ContractRun } from './contract-run';
import { readText } from './read-object';
import { attributesOf, codeOf, NEVER, StoreRun } from './store-run';

const BYTES = Buffer.from('the only part');
const LARGE = randomBytes(5 * 1024 * 1024);

/** Each call may be repeated; what is gone is gone; what does not fit together is not put together. */
export function describeStoreMultipart(run: ContractRun): void {
  const s = new StoreRun(run);
  let store: ObjectStore;
  beforeAll(async () => {
    await s.start();
    store = s.store();
  });
  afterAll(() => s.stop());

  describe('repeated', () => {
    test('putObject', async () => {
      await s.put(store, 'again/single', BYTES);
      await s.put(store, 'again/single', BYTES);
      expect(await readText(s.get('again/single'))).toBe(BYTES.toString());
    });

    test('createMultipart begins another upload', async () => {
      const ids = [0, 1].map(() => store.createMultipart(attributesOf('again/create'), NEVER));
      const [first, second] = await Promise.all(ids);
      expect(first).not.toBe(second);
    });

    test('uploadPart, listParts and completeMultipart', async () => {
      const { upload, parts, whole } = await s.begin(store, 'again/parts', [BYTES]);
      expect(await s.sendPart(store, upload, 1, 0, BYTES)).toEqual(parts[0]);
      expect(await store.listParts(upload, NEVER)).toEqual(await store.listParts(upload, NEVER));
      await store.completeMultipart(upload, parts, whole, false, NEVER);
      await store.completeMultipart(upload, parts, whole, false, NEVER);
      expect(await readText(s.get('again/parts'))).toBe(BYTES.toString());
    });

    test('completeMultipart that was only to make a new object leaves the one it made', async () => {
      const { upload, parts, whole } = await s.begin(store, 'again/absent', [BYTES]);
      await store.completeMultipart(upload, parts, whole, true, NEVER);
      // Whether S3 knows its own earlier answer again or sees the object first is not documented.
      const code = await codeOf(store.completeMultipart(upload, parts, whole, true, NEVER));
      expect(['accepted', 'PRECONDITION_FAILED']).toContain(code);
      expect(await readText(s.get('again/absent'))).toBe(BYTES.toString());
    });

    test('abortMultipart after completeMultipart leaves the object', async () => {
      const { upload, parts, whole } = await s.begin(store, 'again/late-abort', [BYTES]);
      await store.completeMultipart(upload, parts, whole, false, NEVER);
      await store.abortMultipart(upload, NEVER);
      expect(await readText(s.get('again/late-abort'))).toBe(BYTES.toString());
    });

    test('abortMultipart, and of an upload that never was', async () => {
      const { upload } = await s.begin(store, 'again/abort', [BYTES]);
      await store.abortMultipart(upload, NEVER);
      await store.abortMultipart(upload, NEVER);
      await store.abortMultipart({ key: 'again/never', id: 'never-given-out' }, NEVER);
      expect(await store.findObject('again/abort', NEVER)).toBeUndefined();
    });
  });

  describe('gone', () => {
    const expectGone = async (upload: { key: string; id: string }, part: SentPart) => {
      const crash = { 'no-upload-is-a-crash': 'S3_INTERNAL' } as const;
      await s.expectCode(s.sendPart(store, upload, 1, 0, BYTES), 'MULTIPART_GONE', crash);
      await s.expectCode(store.listParts(upload, NEVER), 'MULTIPART_GONE');
      const complete = store.completeMultipart(upload, [part], { sizeBytes: 1, crc32: part.crc32 }, false, NEVER);
      await s.expectCode(complete, 'MULTIPART_GONE', { ...crash, 'no-upload-completes-as-500': 'S3_INTERNAL' });
    };

    test('after abortMultipart', async () => {
      const { upload, parts } = await s.begin(store, 'gone/aborted', [BYTES]);
      await store.abortMultipart(upload, NEVER);
      await expectGone(upload, parts[0]!);
    });

    test('when it never was', async () => {
      const part = { number: 1, offset: 0, sizeBytes: BYTES.length, etag: '"x"', crc32: crc32(BYTES) };
      await expectGone({ key: 'gone/never', id: 'never-given-out' }, part);
    });

    test('after completeMultipart, parts are neither taken nor listed', async () => {
      const { upload, parts, whole } = await s.begin(store, 'gone/completed', [BYTES]);
      await store.completeMultipart(upload, parts, whole, false, NEVER);
      const late = s.sendPart(store, upload, 2, BYTES.length, BYTES);
      await s.expectCode(late, 'MULTIPART_GONE', { 'no-upload-is-a-crash': 'S3_INTERNAL' });
      await s.expectCode(store.listParts(upload, NEVER), 'MULTIPART_GONE');
    });
  });

  describe('put together', () => {
    // Without gaps in their numbers: to an upload with checksums S3 answers those with 500.
    test('from parts sent in any order', async () => {
      const { upload } = await s.begin(store, 'together/order', []);
      const last = await s.sendPart(store, upload, 2, LARGE.length, BYTES);
      const first = await s.sendPart(store, upload, 1, 0, LARGE);
      const bytes = Buffer.concat([LARGE, BYTES]);
      const whole = { sizeBytes: bytes.length, crc32: crc32(bytes) };
      await store.completeMultipart(upload, [first, last], whole, false, NEVER);
      expect(await store.findObject('together/order', NEVER)).toMatchObject({ size: bytes.length });
    });

    test('not with another CRC32 of the whole', async () => {
      const { upload, parts, whole } = await s.begin(store, 'together/crc', [BYTES]);
      const wrong = store.completeMultipart(upload, parts, { ...whole, crc32: crc32('other') }, false, NEVER);
      await s.expectCode(wrong, 'MULTIPART_UNUSABLE', { 'checksums-unverified': 'accepted' });
      if (run.deviates('checksums-unverified')) return;
      expect(await store.findObject('together/crc', NEVER)).toBeUndefined();
    });

    test('not with another size of the whole', async () => {
      const { upload, parts, whole } = await s.begin(store, 'together/size', [BYTES]);
      const wrong = store.completeMultipart(upload, parts, { ...whole, sizeBytes: 1 }, false, NEVER);
      await s.expectCode(wrong, 'MULTIPART_UNUSABLE', { 'complete-ignores-size': 'accepted' });
    });

    test('not from a part that S3 has another version of', async () => {
      const { upload, parts, whole } = await s.begin(store, 'together/version', [BYTES]);
      await s.sendPart(store, upload, 1, 0, Buffer.from('another part!'));
      await s.expectCode(store.completeMultipart(upload, parts, whole, false, NEVER), 'MULTIPART_UNUSABLE');
    });

    test('not from a part that S3 does not have', async () => {
      const { upload, parts, whole } = await s.begin(store, 'together/missing', [LARGE]);
      const missing = [...parts, { ...parts[0]!, number: 2 }];
      await s.expectCode(store.completeMultipart(upload, missing, whole, false, NEVER), 'MULTIPART_UNUSABLE');
    });

    test('not from a small part before the last', async () => {
      const { upload, parts, whole } = await s.begin(store, 'together/small', [BYTES, BYTES]);
      await s.expectCode(store.completeMultipart(upload, parts, whole, false, NEVER), 'MULTIPART_UNUSABLE');
    });
  });

  test('listParts gives more parts than a page has', async () => {
    const { upload } = await s.begin(store, 'pages', []);
    // moto takes half a minute for so many, and its pages are no example.
    const count = run.deviates('list-parts-by-position') ? 3 : 1_001;
    const numbers = Array.from({ length: count }, (_, i) => i + 1);
    const waiting = [...numbers];
    const send = async () => {
      for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
        await s.sendPart(store, upload, number, number, Buffer.alloc(1, number));
      }
    };
    await Promise.all(Array.from({ length: 8 }, send));
    const listed = await store.listParts(upload, NEVER);
    expect(listed.map(({ number }) => number)).toEqual(numbers);
  });
}
