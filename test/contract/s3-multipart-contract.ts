import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { ContractRun } from './contract-run';
import { readBytes } from './read-object';

const PART_BYTES = 5 * 1024 * 1024;
const HEAD_PART = Buffer.alloc(PART_BYTES, 'head of a file ');
const TAIL_PART = Buffer.from('its tail');

/** Uploads in parts. */
export function describeMultipart(run: ContractRun): void {
  const create = async (Key: string, more: Partial<CreateMultipartUploadCommandInput> = {}) => {
    const { UploadId = '' } = await run.s3.send(new CreateMultipartUploadCommand({ Bucket: run.bucket, Key, ...more }));
    return { Bucket: run.bucket, Key, UploadId };
  };
  type Upload = Awaited<ReturnType<typeof create>>;
  const send = async (upload: Upload, PartNumber: number, Body: Uint8Array) => {
    const { ETag } = await run.s3.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
    return { PartNumber, ETag };
  };
  const put = (Key: string, text: string) =>
    run.s3.send(new PutObjectCommand({ Bucket: run.bucket, Key, Body: Buffer.from(text) }));
  const complete = (
    upload: Upload,
    Parts: { PartNumber: number; ETag: string | undefined }[],
    more: Partial<CompleteMultipartUploadCommandInput> = {},
  ) => run.s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more }));
  const abort = (upload: Upload) => run.s3.send(new AbortMultipartUploadCommand(upload));
  const listParts = (upload: Upload, more: object = {}) => run.s3.send(new ListPartsCommand({ ...upload, ...more }));
  const get = (Key: string) => run.s3.send(new GetObjectCommand({ Bucket: run.bucket, Key }));
  const head = (Key: string) => run.s3.send(new HeadObjectCommand({ Bucket: run.bucket, Key }));
  const gone = { status: 404, code: 'NoSuchUpload' };

  const expectGone = async (upload: Upload, part: { PartNumber: number; ETag: string | undefined }) => {
    const crash = { 'no-upload-is-a-crash': { status: 500 } };
    await run.expectRefusal(send(upload, 1, TAIL_PART), gone, crash);
    const noKey = { status: 404, code: 'NoSuchKey' };
    await run.expectRefusal(listParts(upload), gone, { 'no-upload-lists-as-no-key': noKey });
    const inProgress = { status: 500, code: 'InternalError' };
    await run.expectRefusal(complete(upload, [part]), gone, { ...crash, 'no-upload-completes-as-500': inProgress });
    await run.expectRefusal(abort(upload), gone);
  };

  describe('multipart', () => {
    test('Complete joins the parts; type and metadata come from Create', async () => {
      const upload = await create('joined', { ContentType: 'text/x-parts', Metadata: { 'courier-id': 'm-1' } });
      const parts = [await send(upload, 1, HEAD_PART), await send(upload, 2, TAIL_PART)];
      expect(parts[1]?.ETag).toBe(`"${createHash('md5').update(TAIL_PART).digest('hex')}"`);
      await run.expectRefusal(head('joined'), { status: 404 });
      const { ETag } = await complete(upload, parts);
      const digests = [HEAD_PART, TAIL_PART].map((part) => createHash('md5').update(part).digest());
      const expected = `"${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-2"`;
      expect(ETag).toBe(run.deviates('complete-etag-empty') ? '' : expected);
      expect(await head('joined')).toMatchObject({
        ETag: expected,
        ContentLength: PART_BYTES + TAIL_PART.length,
        ContentType: 'text/x-parts',
        Metadata: { 'courier-id': 'm-1' },
      });
      expect((await readBytes(get('joined'))).equals(Buffer.concat([HEAD_PART, TAIL_PART]))).toBe(true);
    });

    test('tags given to Create are on the object', async () => {
      const upload = await create('tagged-parts', { Tagging: 'plant=9' });
      await complete(upload, [await send(upload, 1, TAIL_PART)]);
      const { TagSet } = await run.s3.send(new GetObjectTaggingCommand({ Bucket: run.bucket, Key: 'tagged-parts' }));
      expect(TagSet ?? []).toEqual(run.deviates('create-drops-tags') ? [] : [{ Key: 'plant', Value: '9' }]);
    });

    test('a part sent twice is the second one, and gaps between numbers do not matter', async () => {
      const upload = await create('again');
      const first = await send(upload, 3, HEAD_PART);
      await send(upload, 7, Buffer.from('wrong'));
      await complete(upload, [first, await send(upload, 7, TAIL_PART)]);
      expect((await readBytes(get('again'))).equals(Buffer.concat([HEAD_PART, TAIL_PART]))).toBe(true);
    });

    test('parts that Complete does not name are left out', async () => {
      const upload = await create('subset');
      const named = await send(upload, 1, TAIL_PART);
      await send(upload, 2, Buffer.from('not named'));
      if (run.deviates('complete-names-every-part')) {
        await run.expectRefusal(complete(upload, [named]), { status: 400, code: 'InvalidPart' });
        return;
      }
      await complete(upload, [named]);
      expect((await readBytes(get('subset'))).equals(TAIL_PART)).toBe(true);
    });

    test('Complete repeated is answered as the first time', async () => {
      const upload = await create('repeated');
      const parts = [await send(upload, 1, TAIL_PART)];
      const first = await complete(upload, parts);
      const second = await complete(upload, parts);
      const { ETag } = await head('repeated');
      const answered = run.deviates('complete-etag-empty') ? ['', ETag?.replaceAll('"', '')] : [ETag, ETag];
      expect([first.ETag, second.ETag]).toEqual(answered);
      expect(second.Key).toBe('repeated');
    });

    test('Complete replaces an object, and If-None-Match: * does not', async () => {
      await put('there', 'old');
      const upload = await create('there');
      const parts = [await send(upload, 1, TAIL_PART)];
      const refused = { status: 412, code: 'PreconditionFailed' };
      await run.expectRefusal(complete(upload, parts, { IfNoneMatch: '*' }), refused, {
        'complete-ignores-conditions': 'accepted',
      });
      if (run.deviates('complete-ignores-conditions')) return;
      expect((await readBytes(get('there'))).toString()).toBe('old');
      await complete(upload, parts);
      expect((await readBytes(get('there'))).equals(TAIL_PART)).toBe(true);
    });

    test('Complete If-Match replaces only that version', async () => {
      const { ETag } = await put('version', 'old');
      const upload = await create('version');
      const parts = [await send(upload, 1, TAIL_PART)];
      const other = complete(upload, parts, { IfMatch: '"00000000000000000000000000000000"' });
      await run.expectRefusal(
        other,
        { status: 412, code: 'PreconditionFailed' },
        { 'complete-ignores-conditions': 'accepted', 'complete-ignores-if-match': 'accepted' },
      );
      if (run.deviates('complete-ignores-conditions') || run.deviates('complete-ignores-if-match')) return;
      await complete(upload, parts, { IfMatch: ETag });
      expect((await readBytes(get('version'))).equals(TAIL_PART)).toBe(true);
    });

    test('a part below 5 MiB that is not the last is EntityTooSmall', async () => {
      const upload = await create('small');
      const parts = [await send(upload, 1, TAIL_PART), await send(upload, 2, TAIL_PART)];
      await run.expectRefusal(complete(upload, parts), { status: 400, code: 'EntityTooSmall' });
    });

    test('wrong lists of parts', async () => {
      const upload = await create('wrong');
      const [one, two] = [await send(upload, 1, HEAD_PART), await send(upload, 2, TAIL_PART)];
      const invalid = { status: 400, code: 'InvalidPart' };
      await run.expectRefusal(complete(upload, [one, two, { PartNumber: 3, ETag: two.ETag }]), invalid);
      await run.expectRefusal(complete(upload, [one, { PartNumber: 2, ETag: one.ETag }]), invalid);
      await run.expectRefusal(complete(upload, []), { status: 400, code: 'MalformedXML' });
      await run.expectRefusal(
        complete(upload, [two, one]),
        { status: 400, code: 'InvalidPartOrder' },
        { 'complete-sorts-parts': 'accepted', 'complete-order-unchecked': { status: 400, code: 'EntityTooSmall' } },
      );
      await complete(upload, [one, two]);
    });

    test.each([0, 10_001])('part number %d is InvalidArgument', async (number) => {
      const upload = await create('numbers');
      const refused = { status: 400, code: 'InvalidArgument' };
      await run.expectRefusal(send(upload, number, TAIL_PART), refused, {
        'part-numbers-unlimited': 'accepted',
        ...(number === 0 ? { 'part-zero-is-no-upload': gone } : {}),
      });
    });

    test('an upload id nobody gave out is NoSuchUpload', async () => {
      const upload = { Bucket: run.bucket, Key: 'never', UploadId: 'never-given-out' };
      await expectGone(upload, { PartNumber: 1, ETag: '"x"' });
    });

    test('after Abort everything is NoSuchUpload', async () => {
      const upload = await create('aborted');
      const part = await send(upload, 1, TAIL_PART);
      expect((await abort(upload)).$metadata.httpStatusCode).toBe(204);
      await expectGone(upload, part);
      await run.expectRefusal(head('aborted'), { status: 404 });
    });

    test('an upload id belongs to its key', async () => {
      const upload = await create('mine');
      const other = send({ ...upload, Key: 'yours' }, 1, TAIL_PART);
      await run.expectRefusal(other, gone, { 'upload-id-for-any-key': 'accepted' });
    });

    test('MpuObjectSize is compared', async () => {
      const upload = await create('sized');
      const parts = [await send(upload, 1, TAIL_PART)];
      const refused = { status: 400, code: 'InvalidRequest' };
      await run.expectRefusal(complete(upload, parts, { MpuObjectSize: TAIL_PART.length + 1 }), refused, {
        'complete-ignores-size': 'accepted',
      });
      if (run.deviates('complete-ignores-size')) return;
      await complete(upload, parts, { MpuObjectSize: TAIL_PART.length });
    });

    test('ListParts pages', async () => {
      const upload = await create('paged-parts');
      for (const number of [2, 5, 9, 10, 11]) await send(upload, number, Buffer.alloc(number));
      const seen: (number | undefined)[][] = [];
      let marker: string | undefined;
      let more: boolean | undefined;
      do {
        const page = await listParts(upload, { MaxParts: 2, PartNumberMarker: marker });
        for (const { PartNumber, Size, ETag } of page.Parts ?? []) {
          seen.push([PartNumber, Size]);
          expect(ETag).toMatch(/^"[0-9a-f]{32}"$/);
        }
        marker = page.NextPartNumberMarker;
        more = page.IsTruncated;
      } while (more === true && seen.length < 20);
      const numbers = run.deviates('list-parts-by-position') ? [2, 5] : [2, 5, 9, 10, 11];
      expect(seen).toEqual(numbers.map((number) => [number, number]));
    });

    test('ListMultipartUploads pages through those under way', async () => {
      const begun = [];
      for (const key of ['under/a', 'under/b', 'under/b', 'under/c', 'under/d']) begun.push(await create(key));
      await abort(begun.pop() as Upload);
      const seen: string[] = [];
      let markers: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
      let more: boolean | undefined;
      do {
        const list = { Bucket: run.bucket, Prefix: 'under/', MaxUploads: 1, ...markers };
        const page = await run.s3.send(new ListMultipartUploadsCommand(list));
        if (!run.deviates('list-uploads-whole')) expect((page.Uploads ?? []).length).toBeLessThanOrEqual(1);
        else expect((page.Uploads ?? []).length).toBe(begun.length);
        seen.push(...(page.Uploads ?? []).map(({ Key, UploadId }) => `${Key} ${UploadId}`));
        markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
        more = page.IsTruncated;
      } while (more === true && seen.length < 20);
      expect(seen.sort()).toEqual(begun.map(({ Key, UploadId }) => `${Key} ${UploadId}`).sort());
    });
  });
}
