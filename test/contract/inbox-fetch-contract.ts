import { randomBytes } from 'node:crypto';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';
import { readAll } from './inbox-calls';
import { oddestKeys } from './odd-keys';
import { NEVER, StoreRun } from './store-run';

const BYTES = randomBytes(3 * 1024 * 1024);

/** An object's bytes, of one version only. */
export function describeInboxFetch(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());
  const version = (etag: string, sizeBytes: number) => ({ etag, sizeBytes, checksums: {} });
  const open = async (key: string, etag: string, fromByte = 0) =>
    Buffer.concat(await readAll(await s.inbox().file(key).open(version(etag, BYTES.length), fromByte, NEVER)));

  test.each([0, 1, 65_536, BYTES.length - 1])('from byte %d on', async (fromByte) => {
    const etag = await s.place('fetch/from', BYTES);
    expect((await open('fetch/from', etag, fromByte)).equals(BYTES.subarray(fromByte))).toBe(true);
  });

  test.each(oddestKeys(run))('%j', async (key) => {
    const etag = await s.place(key, key);
    expect((await open(key, etag)).toString()).toBe(key);
  });

  test('an empty object', async () => {
    expect(await open('fetch/empty', await s.place('fetch/empty', ''))).toHaveLength(0);
  });

  test.each([0, 1])('of a version that has been replaced, from byte %d on, is OBJECT_CHANGED', async (fromByte) => {
    const etag = await s.place('fetch/replaced', 'first');
    await s.place('fetch/replaced', 'other');
    await s.expectCode(open('fetch/replaced', etag, fromByte), 'OBJECT_CHANGED');
  });

  test('of a version that is gone is OBJECT_MISSING', async () => {
    const etag = await s.place('fetch/gone', 'first');
    await s.s3.send(new DeleteObjectCommand({ Bucket: run.bucket, Key: 'fetch/gone' }));
    await s.expectCode(open('fetch/gone', etag), 'OBJECT_MISSING');
    await s.expectCode(open('fetch/gone', etag, 1), 'OBJECT_MISSING');
  });
}
