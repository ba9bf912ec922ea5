import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import {
  type ChecksumType,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  type CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';
import { readText } from './read-object';

const BYTES = Buffer.from('bytes under a checksum');
const PART_BYTES = 5 * 1024 * 1024;
const PARTS = [Buffer.alloc(PART_BYTES, 'first part '), Buffer.from('last part')] as const;
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('base64');
const badDigest = { status: 400, code: 'BadDigest' };

function crc32Of(...bytes: Uint8Array[]): string {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32(Buffer.concat(bytes)));
  return value.toString('base64');
}

/** What S3 verifies, and what it remembers of it. */
export function describeChecksums(run: ContractRun): void {
  const put = (Key: string, more: object) =>
    run.s3.send(new PutObjectCommand({ Bucket: run.bucket, Key, Body: BYTES, ...more }));
  const head = (Key: string) =>
    run.s3.send(new HeadObjectCommand({ Bucket: run.bucket, Key, ChecksumMode: 'ENABLED' }));
  const get = (Key: string, more: object = {}) =>
    run.s3.send(new GetObjectCommand({ Bucket: run.bucket, Key, ...more }));

  const expectTold = (answer: { ChecksumCRC32?: string | undefined }, expected: object) => {
    if (run.deviates('checksums-forgotten')) expect(answer.ChecksumCRC32).toBeUndefined();
    else expect(answer).toMatchObject(expected);
  };

  describe('checksums of single objects', () => {
    test('Content-MD5', async () => {
      await put('md5', { ContentMD5: md5(BYTES) });
      const unverified = { 'md5-unverified': 'accepted' } as const;
      await run.expectRefusal(put('md5-wrong', { ContentMD5: md5(Buffer.from('other')) }), badDigest, unverified);
      await run.expectRefusal(head('md5-wrong'), { status: 404 }, unverified);
      const none = put('md5-wrong', { ContentMD5: 'no digest' });
      await run.expectRefusal(none, { status: 400, code: 'InvalidDigest' }, unverified);
    });

    test('CRC32 is verified', async () => {
      await put('crc-right', { ChecksumCRC32: crc32Of(BYTES) });
      const wrong = put('crc-wrong', { ChecksumCRC32: crc32Of(Buffer.from('other')) });
      await run.expectRefusal(wrong, badDigest, { 'checksums-unverified': 'accepted' });
    });

    test.each([
      ['CRC32', 'y/Q5Jg=='],
      ['CRC32C', '4waSgw=='],
      ['CRC64NVME', 'rosUhgp5mIg='],
      ['SHA1', createHash('sha1').update('123456789').digest('base64')],
      ['SHA256', createHash('sha256').update('123456789').digest('base64')],
    ])('%s of 123456789 is %s', async (algorithm, checksum) => {
      const Body = Buffer.from('123456789');
      await put(`known/${algorithm}`, { Body, [`Checksum${algorithm}`]: checksum });
      const wrong = put(`known-wrong/${algorithm}`, { [`Checksum${algorithm}`]: checksum });
      await run.expectRefusal(wrong, badDigest, { 'checksums-unverified': 'accepted' });
    });

    test('an object that comes without a checksum gets a CRC64NVME', async () => {
      await put('none-given', { Body: Buffer.from('123456789') });
      const { ChecksumCRC64NVME, ChecksumCRC32 } = await head('none-given');
      expect(ChecksumCRC32).toBeUndefined();
      expect(ChecksumCRC64NVME).toBe(run.deviates('checksums-unadded') ? undefined : 'rosUhgp5mIg=');
    });

    test('CRC32 is remembered, and told when asked for', async () => {
      const sent = await put('crc-kept', { ChecksumCRC32: crc32Of(BYTES) });
      const expected = { ChecksumCRC32: crc32Of(BYTES), ChecksumType: 'FULL_OBJECT' };
      expectTold(sent, expected);
      expectTold(await head('crc-kept'), expected);
      expectTold(await get('crc-kept', { ChecksumMode: 'ENABLED' }), expected);
      expect((await get('crc-kept')).ChecksumCRC32).toBeUndefined();
    });

    test('a part of an object carries no checksum of the whole', async () => {
      await put('crc-ranged', { ChecksumCRC32: crc32Of(BYTES) });
      const answer = await get('crc-ranged', { Range: 'bytes=0-4', ChecksumMode: 'ENABLED' });
      expect(await readText(answer)).toBe('bytes');
      expect(answer.ChecksumCRC32).toBeUndefined();
    });

    test('x-amz-content-sha256 is verified; UNSIGNED-PAYLOAD is taken', async () => {
      const request = { method: 'PUT', path: '/signed-payload', body: BYTES };
      expect(await run.send(request)).toMatchObject({ status: 200 });
      expect(await run.send({ ...request, payloadHash: 'UNSIGNED-PAYLOAD' })).toMatchObject({ status: 200 });
      const other = createHash('sha256').update('other').digest('hex');
      const refused = { status: 400, code: 'XAmzContentSHA256Mismatch' };
      await run.expectAnswer(run.send({ ...request, payloadHash: other }), refused, {
        'payload-hash-unverified': 'accepted',
      });
    });
  });

  describe('aws-chunked bodies', () => {
    const chunked = (key: string, checksum: string) => {
      const body = `${BYTES.length.toString(16)}\r\n${BYTES.toString()}\r\n0\r\nx-amz-checksum-crc32:${checksum}\r\n\r\n`;
      const headers = {
        'content-encoding': 'aws-chunked',
        'x-amz-decoded-content-length': String(BYTES.length),
        'x-amz-trailer': 'x-amz-checksum-crc32',
      };
      return { method: 'PUT', path: `/${key}`, headers, body, payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' };
    };

    const unknown = { 'trailers-unknown': { status: 400, code: 'XAmzContentSHA256Mismatch' } };

    test('are stored without their framing', async () => {
      const sent = run.send(chunked('chunked', crc32Of(BYTES)));
      await run.expectAnswer(sent, { status: 200 }, unknown);
      if (run.deviates('trailers-unknown')) return;
      const stored = await get('chunked');
      expect(stored.ContentLength).toBe(BYTES.length);
      expect(stored.ContentEncoding).toBeUndefined();
      expect(await readText(stored)).toBe(BYTES.toString());
    });

    test('are verified by the checksum in the trailer', async () => {
      const sent = run.send(chunked('chunked-wrong', crc32Of(Buffer.from('other'))));
      await run.expectAnswer(sent, badDigest, { ...unknown, 'trailers-unverified': 'accepted' });
    });

    test('are what the SDK makes of a stream', async () => {
      const s3 = run.client(run.engine.admin, { requestChecksumCalculation: 'WHEN_SUPPORTED' });
      const bytes = Buffer.alloc(20_000, 'streamed ');
      const Body = Readable.from([bytes.subarray(0, 9_000), bytes.subarray(9_000, 18_000), bytes.subarray(18_000)]);
      const stream = { Bucket: run.bucket, Key: 'streamed', Body, ContentLength: bytes.length };
      const sent = s3.send(new PutObjectCommand(stream));
      if (run.deviates('trailers-unknown')) {
        await run.expectRefusal(sent, { status: 411, code: 'MissingContentLength' });
        return;
      }
      await sent;
      expect(await readText(get('streamed'))).toBe(bytes.toString());
    });
  });

  describe('checksums of multipart uploads', () => {
    const begin = async (Key: string, ChecksumType: ChecksumType) => {
      const upload = { Bucket: run.bucket, Key };
      const created = new CreateMultipartUploadCommand({ ...upload, ChecksumAlgorithm: 'CRC32', ChecksumType });
      const { UploadId } = await run.s3.send(created);
      return { ...upload, UploadId };
    };
    type Upload = Awaited<ReturnType<typeof begin>>;
    const sendParts = async (upload: Upload) => {
      const sent = [];
      for (const [i, Body] of PARTS.entries()) {
        const part = { ...upload, PartNumber: i + 1, Body, ChecksumCRC32: crc32Of(Body) };
        const { ETag } = await run.s3.send(new UploadPartCommand(part));
        sent.push({ PartNumber: i + 1, ETag, ChecksumCRC32: crc32Of(Body) });
      }
      return sent;
    };
    type Whole = { ChecksumCRC32: string; ChecksumType: ChecksumType };
    type Sent = Awaited<ReturnType<typeof sendParts>>;
    const complete = (upload: Upload, Parts: Sent, more: Partial<CompleteMultipartUploadCommandInput> = {}) =>
      run.s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more }));

    const expectWhole = async (completed: CompleteMultipartUploadCommandOutput, whole: Whole) => {
      const headed = await head(completed.Key ?? '');
      if (run.deviates('whole-checksums-forgotten')) {
        expect([completed.ChecksumCRC32, headed.ChecksumCRC32]).toEqual([undefined, undefined]);
      } else if (run.deviates('whole-checksums-in-head-alone')) {
        expect(completed.ChecksumCRC32).toBeUndefined();
        expect(headed).toMatchObject({ ...whole, ChecksumCRC32: whole.ChecksumCRC32.replace(/-\d+$/, '') });
      } else {
        expect(completed).toMatchObject(whole);
        expect(headed).toMatchObject(whole);
      }
    };

    test('each part is verified', async () => {
      const upload = await begin('part-wrong', 'FULL_OBJECT');
      const Body = PARTS[1];
      const wrong = new UploadPartCommand({ ...upload, PartNumber: 1, Body, ChecksumCRC32: crc32Of(PARTS[0]) });
      await run.expectRefusal(run.s3.send(wrong), badDigest, { 'checksums-unverified': 'accepted' });
      const md5Wrong = new UploadPartCommand({ ...upload, PartNumber: 1, Body, ContentMD5: md5(PARTS[0]) });
      await run.expectRefusal(run.s3.send(md5Wrong), badDigest, { 'md5-unverified': 'accepted' });
    });

    test('ListParts tells the checksum of each part', async () => {
      const upload = await begin('parts-listed', 'FULL_OBJECT');
      await sendParts(upload);
      const { Parts = [] } = await run.s3.send(new ListPartsCommand(upload));
      const forgotten = run.deviates('checksums-forgotten');
      const told = PARTS.map((part) => (forgotten ? undefined : crc32Of(part)));
      expect(Parts.map(({ ChecksumCRC32 }) => ChecksumCRC32)).toEqual(told);
    });

    test('FULL_OBJECT is the CRC32 of all bytes', async () => {
      const upload = await begin('full-object', 'FULL_OBJECT');
      const parts = await sendParts(upload);
      const whole = { ChecksumType: 'FULL_OBJECT', ChecksumCRC32: crc32Of(...PARTS) } as const;
      const answer = await complete(upload, parts, whole);
      await expectWhole(answer, whole);
    });

    test('FULL_OBJECT with a wrong CRC32 is refused, and the upload stays', async () => {
      const upload = await begin('full-wrong', 'FULL_OBJECT');
      const parts = await sendParts(upload);
      const wrong = { ChecksumType: 'FULL_OBJECT', ChecksumCRC32: crc32Of(PARTS[0]) } as const;
      await run.expectRefusal(complete(upload, parts, wrong), badDigest, {
        'checksums-unverified': 'accepted',
      });
      if (run.deviates('checksums-unverified')) return;
      await run.expectRefusal(head('full-wrong'), { status: 404 });
      await complete(upload, parts, { ...wrong, ChecksumCRC32: crc32Of(...PARTS) });
    });

    test('COMPOSITE is the CRC32 of the CRC32s', async () => {
      const upload = await begin('composite', 'COMPOSITE');
      const parts = await sendParts(upload);
      const answer = await complete(upload, parts);
      const whole = {
        ChecksumCRC32: `${crc32Of(...PARTS.map((part) => Buffer.from(crc32Of(part), 'base64')))}-2`,
        ChecksumType: 'COMPOSITE',
      } as const;
      await expectWhole(answer, whole);
    });

    test('a part named with a wrong CRC32 is refused', async () => {
      const upload = await begin('named-wrong', 'COMPOSITE');
      const parts = (await sendParts(upload)).map((part) => ({ ...part, ChecksumCRC32: crc32Of(BYTES) }));
      await run.expectRefusal(
        complete(upload, parts),
        { status: 400, code: 'InvalidPart' },
        {
          'checksums-unverified': 'accepted',
        },
      );
    });
  });
}
