import { createHash } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type PutObjectCommandInput,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';
import { oddestKeys } from './odd-keys';
import { NEVER, StoreRun } from './store-run';

const BYTES = '123456789';
// The check values of the algorithms' catalogues.
const CRC32 = { base64: 'y/Q5Jg==', value: 0xcbf43926 };
const CRC64NVME = { base64: 'rosUhgp5mIg=', hex: 'ae8b14860a799888' };
const SHA256 = createHash('sha256').update(BYTES);
const SHA256_HEX = SHA256.copy().digest('hex');
const MD5 = createHash('md5').update(BYTES).digest('hex');

/** What is known of an object before it comes. */
export function describeInboxFind(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());
  const find = (key: string) => s.inbox().find(key, NEVER);

  describe('find', () => {
    test.each(oddestKeys(run))('%j', async (key) => {
      const etag = await s.place(key, key);
      expect(await find(key)).toMatchObject({ etag, sizeBytes: Buffer.byteLength(key) });
    });

    test('a missing object is undefined', async () => {
      expect(await find('find/missing')).toBeUndefined();
    });

    const none = { crc32: undefined, crc64nvme: undefined, sha256: undefined };
    const single: readonly [string, Partial<PutObjectCommandInput>, object][] = [
      ['CRC32', { ChecksumCRC32: CRC32.base64 }, { ...none, crc32: CRC32.value }],
      ['CRC64NVME', { ChecksumCRC64NVME: CRC64NVME.base64 }, { ...none, crc64nvme: CRC64NVME.hex }],
      ['SHA256', { ChecksumSHA256: SHA256.copy().digest('base64') }, { ...none, sha256: SHA256_HEX }],
    ];

    test.each(single)('%s of a single PUT', async (name, more, checksums) => {
      await s.place(`find/${name}`, BYTES, more);
      const told = run.deviates('checksums-forgotten') ? none : checksums;
      expect((await find(`find/${name}`))?.checksums).toEqual({ ...told, md5: MD5 });
    });

    test('of a single PUT without a checksum S3 knows the CRC64NVME, and the MD5', async () => {
      await s.place('find/plain', BYTES);
      const crc64nvme = run.deviates('checksums-unadded') ? undefined : CRC64NVME.hex;
      expect((await find('find/plain'))?.checksums).toEqual({ ...none, crc64nvme, md5: MD5 });
    });

    test('a CRC32 of the whole of a multipart object', async () => {
      await inParts('find/whole', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' });
      const crc32 = run.deviates('whole-checksums-forgotten') ? undefined : CRC32.value;
      expect((await find('find/whole'))?.checksums).toEqual({ ...none, crc32, md5: undefined });
    });

    test.each(['CRC32', 'SHA256'] as const)('a composite %s is none', async (ChecksumAlgorithm) => {
      await inParts(`find/composite-${ChecksumAlgorithm}`, { ChecksumAlgorithm });
      const checksums = (await find(`find/composite-${ChecksumAlgorithm}`))?.checksums;
      // Without its type and the number of parts it looks like one of the whole.
      if (run.deviates('whole-checksums-in-head-alone')) expect(checksums?.md5).toBeUndefined();
      else expect(checksums).toEqual({ ...none, md5: undefined });
    });

    test.each(['aws:kms', 'aws:kms:dsse'] as const)('the ETag under %s is no MD5', async (ServerSideEncryption) => {
      if (run.deviates('kms-unknown')) {
        const put = s.place('find/kms', BYTES, { ServerSideEncryption });
        await run.expectRefusal(put, { status: 400, code: 'InvalidArgument' });
        return;
      }
      const etag = await s.place('find/kms', BYTES, { ServerSideEncryption });
      expect(await find('find/kms')).toMatchObject({ etag, checksums: { md5: undefined } });
    });

    test('what our metadata says of the file', async () => {
      const Metadata = { mtime: '1700000000.250000000', mode: '100640', 'courier-crc32': CRC32.base64 };
      await s.place('find/meta', BYTES, { Metadata });
      const found = await find('find/meta');
      expect(found).toMatchObject({ mtimeMs: 1_700_000_000_250, mode: 0o640 });
      expect(found?.checksums.crc32).toBe(CRC32.value);
    });

    test('metadata that says nothing usable is none', async () => {
      await s.place('find/odd-meta', BYTES, { Metadata: { mtime: 'yesterday', mode: 'rw-r--r--' } });
      expect(await find('find/odd-meta')).toMatchObject({ mtimeMs: undefined, mode: undefined });
    });
  });

  describe('findOther', () => {
    test('the ETag, unless it is the one that is known', async () => {
      const etag = await s.place('other/a +%ü', BYTES);
      const store = s.inbox();
      expect(await store.findOther('other/a +%ü', undefined, NEVER)).toBe(etag);
      expect(await store.findOther('other/a +%ü', etag, NEVER)).toBe('same');
      expect(await store.findOther('other/a +%ü', '"an older one"', NEVER)).toBe(etag);
      const next = await s.place('other/a +%ü', 'replaced');
      expect(await store.findOther('other/a +%ü', etag, NEVER)).toBe(next);
    });

    test('of an empty object too', async () => {
      const etag = await s.place('other/empty', '');
      const store = s.inbox();
      expect(await store.findOther('other/empty', undefined, NEVER)).toBe(etag);
      expect(await store.findOther('other/empty', '"an older one"', NEVER)).toBe(etag);
      expect(await store.findOther('other/empty', etag, NEVER)).toBe('same');
    });

    test('a missing object is undefined', async () => {
      expect(await s.inbox().findOther('other/missing', undefined, NEVER)).toBeUndefined();
      expect(await s.inbox().findOther('other/missing', '"an older one"', NEVER)).toBeUndefined();
    });
  });

  /** One part. */
  async function inParts(
    Key: string,
    more: Pick<CreateMultipartUploadCommandInput, 'ChecksumAlgorithm' | 'ChecksumType'>,
  ): Promise<void> {
    const at = { Bucket: run.bucket, Key };
    const { UploadId } = await s.s3.send(new CreateMultipartUploadCommand({ ...at, ...more }));
    const checksum =
      more.ChecksumAlgorithm === 'SHA256'
        ? { ChecksumSHA256: SHA256.copy().digest('base64') }
        : { ChecksumCRC32: CRC32.base64 };
    const { ETag } = await s.s3.send(
      new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: BYTES, ...checksum }),
    );
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag, ...checksum }] };
    await s.s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }));
  }
}
