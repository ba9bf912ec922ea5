import { encoder, parseCount } from './bucket-operations';
import { checksumElement } from './checksums';
import type { S3Exchange } from './exchange';
import { getOpenUpload } from './multipart';
import type { OpenUpload } from './records';
import { notImplemented } from './s3-error';
import { compareUtf8 } from './sorted-keys';
import { el, type XmlNode } from './xml';

const MAX_PER_PAGE = 1000;

export async function listParts(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:ListMultipartUploadParts', exchange.objectArn);
  await exchange.receiveNothing();
  const { upload, parts } = getOpenUpload(exchange);
  const maxParts = Math.min(parseCount(exchange.query('max-parts'), 'max-parts', MAX_PER_PAGE), MAX_PER_PAGE);
  const marker = parseCount(exchange.query('part-number-marker'), 'part-number-marker', 0);
  const encode = encoder(exchange.query('encoding-type'));
  const rest = [...parts.values()]
    .filter((part) => part.partNumber > marker)
    .sort((a, b) => a.partNumber - b.partNumber);
  const page = rest.slice(0, maxParts);
  const algorithm = upload.checksumAlgorithm;
  await exchange.replyXml(
    el('ListPartsResult', [
      el('Bucket', upload.bucket),
      el('Key', encode(upload.key)),
      el('UploadId', upload.uploadId),
      ...ownerNodes(exchange),
      el('StorageClass', upload.storageClass),
      el('PartNumberMarker', marker),
      el('NextPartNumberMarker', page.at(-1)?.partNumber ?? 0),
      el('MaxParts', maxParts),
      el('EncodingType', exchange.query('encoding-type')),
      el('IsTruncated', page.length < rest.length),
      el('ChecksumAlgorithm', algorithm),
      el('ChecksumType', algorithm === undefined ? undefined : upload.checksumType),
      ...page.map((part) =>
        el('Part', [
          el('PartNumber', part.partNumber),
          el('LastModified', new Date(part.modifiedMs).toISOString()),
          el('ETag', `"${part.etag}"`),
          el('Size', part.sizeBytes),
          el(checksumElement(algorithm ?? 'CRC64NVME'), algorithm === undefined ? undefined : part.checksum),
        ]),
      ),
    ]),
  );
}

export async function listMultipartUploads(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:ListBucketMultipartUploads', exchange.bucketArn);
  await exchange.receiveNothing();
  if ((exchange.query('delimiter') ?? '') !== '') throw notImplemented('delimiter');
  const given = (name: string): string | undefined => exchange.query(name);
  const maxUploads = Math.min(parseCount(given('max-uploads'), 'max-uploads', MAX_PER_PAGE), MAX_PER_PAGE);
  const encode = encoder(given('encoding-type'));
  const keyMarker = given('key-marker') ?? '';
  const idMarker = keyMarker === '' ? '' : (given('upload-id-marker') ?? '');
  const uploads = exchange.around.store
    .listUploads(exchange.bucketName)
    .filter(({ upload }) => upload.key.startsWith(given('prefix') ?? ''))
    .sort(byKeyThenBegin);
  // Behind the marker: its key is done, unless an upload of that key is named from which to go on.
  const at = uploads.findIndex(({ upload }) => upload.key === keyMarker && upload.uploadId === idMarker);
  const rest = at >= 0 ? uploads.slice(at + 1) : uploads.filter(({ upload }) => compareUtf8(upload.key, keyMarker) > 0);
  const page = rest.slice(0, maxUploads);
  const last = page.at(-1)?.upload;
  await exchange.replyXml(
    el('ListMultipartUploadsResult', [
      el('Bucket', exchange.bucketName),
      el('KeyMarker', encode(keyMarker)),
      el('UploadIdMarker', idMarker),
      el('NextKeyMarker', last === undefined ? undefined : encode(last.key)),
      el('NextUploadIdMarker', last?.uploadId),
      el('Prefix', given('prefix') === undefined ? undefined : encode(given('prefix')!)),
      el('MaxUploads', maxUploads),
      el('EncodingType', given('encoding-type')),
      el('IsTruncated', page.length < rest.length),
      ...page.map(({ upload }) =>
        el('Upload', [
          el('Key', encode(upload.key)),
          el('UploadId', upload.uploadId),
          ...ownerNodes(exchange),
          el('StorageClass', upload.storageClass),
          el('Initiated', new Date(upload.initiatedMs).toISOString()),
          el('ChecksumAlgorithm', upload.checksumAlgorithm),
          el('ChecksumType', upload.checksumAlgorithm === undefined ? undefined : upload.checksumType),
        ]),
      ),
    ]),
  );
}

function byKeyThenBegin(a: OpenUpload, b: OpenUpload): number {
  return (
    compareUtf8(a.upload.key, b.upload.key) ||
    a.upload.initiatedMs - b.upload.initiatedMs ||
    compareUtf8(a.upload.uploadId, b.upload.uploadId)
  );
}

function ownerNodes(exchange: S3Exchange): XmlNode[] {
  return [el('Initiator', [el('ID', exchange.ownerId)]), el('Owner', [el('ID', exchange.ownerId)])];
}
