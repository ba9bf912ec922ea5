import { randomBytes } from 'node:crypto';
import { cut } from './blob-store';
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumElement,
  checksumHeader,
  findChecksumHeaders,
  isChecksumAlgorithm,
} from './checksums';
import { digestSource, findSource, replyError200 } from './copy-object';
import type { S3Exchange } from './exchange';
import { encryptionHeaders, isKms, parseTraits, requireKms } from './object-traits';
import { MAX_SINGLE_BYTES, OWN_CHECKSUM } from './put-object';
import type { OpenUpload, PartRecord, UploadRecord } from './records';
import { invalidArgument, noSuchUpload, S3Error } from './s3-error';
import { el } from './xml';

export async function createMultipartUpload(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:PutObject', exchange.objectArn);
  const traits = parseTraits(exchange);
  requireKms(exchange, traits.encryption, 'kms:GenerateDataKey');
  const { algorithm, type } = parseChecksumPlan(exchange);
  await exchange.receiveNothing();
  const upload: UploadRecord = {
    uploadId: randomBytes(60).toString('base64url'),
    bucket: exchange.bucketName,
    key: exchange.key,
    initiatedMs: exchange.around.now(),
    checksumType: type,
    ...(algorithm === undefined ? {} : { checksumAlgorithm: algorithm }),
    ...traits,
  };
  exchange.around.store.createUpload(upload);
  await exchange.replyXml(
    el('InitiateMultipartUploadResult', [
      el('Bucket', upload.bucket),
      el('Key', upload.key),
      el('UploadId', upload.uploadId),
    ]),
    {
      ...encryptionHeaders(upload.encryption),
      ...(algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type }),
    },
  );
}

export async function uploadPart(exchange: S3Exchange): Promise<void> {
  const { store, now } = exchange.around;
  const { open, partNumber } = openPart(exchange);
  const { upload } = open;
  const sent = findChecksumHeaders(exchange.head.headers)?.algorithm;
  const expected = upload.checksumAlgorithm;
  // Composite checksums are made of what clients sent; a full-object one S3 can also compute itself.
  const mismatch =
    sent === undefined ? upload.checksumType === 'COMPOSITE' : expected !== undefined && sent !== expected;
  if (mismatch) throw checksumTypeMismatch(expected, sent);
  const algorithm = expected ?? OWN_CHECKSUM;
  const body = await exchange.receiveObject({ maxBytes: MAX_SINGLE_BYTES, keepChecksum: algorithm });
  requireStillOpen(exchange, upload);
  const part: PartRecord = {
    partNumber,
    sizeBytes: body.sizeBytes,
    etag: isKms(upload.encryption) ? randomBytes(16).toString('hex') : body.md5.toString('hex'),
    modifiedMs: now(),
    slices: body.slices,
    checksum: body.kept!,
  };
  store.putPart(upload.uploadId, part);
  const told = body.sent ?? { algorithm, value: part.checksum };
  await exchange.reply(200, {
    etag: `"${part.etag}"`,
    ...encryptionHeaders(upload.encryption),
    [checksumHeader(told.algorithm)]: told.value,
  });
}

export async function uploadPartCopy(exchange: S3Exchange): Promise<void> {
  const { store, now } = exchange.around;
  const { open, partNumber } = openPart(exchange);
  const { upload } = open;
  const source = findSource(exchange);
  const { start, end } = sourceRange(exchange, source.sizeBytes);
  if (end - start > MAX_SINGLE_BYTES) {
    throw new S3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_SINGLE_BYTES}`,
    );
  }
  await exchange.receiveNothing();
  if (await replyError200(exchange)) return;
  exchange.hold(source.slices);
  const algorithm = upload.checksumAlgorithm ?? OWN_CHECKSUM;
  const digests = await digestSource(exchange, source, start, end, algorithm);
  requireStillOpen(exchange, upload);
  const part: PartRecord = {
    partNumber,
    sizeBytes: end - start,
    etag: digests.md5,
    modifiedMs: now(),
    slices: cut(source.slices, start, end),
    checksum: digests.checksum,
  };
  store.putPart(upload.uploadId, part);
  await exchange.replyXml(
    el('CopyPartResult', [
      el('LastModified', new Date(part.modifiedMs).toISOString()),
      el('ETag', `"${part.etag}"`),
      el(checksumElement(algorithm), upload.checksumAlgorithm === undefined ? undefined : part.checksum),
    ]),
    encryptionHeaders(upload.encryption),
  );
}

export async function abortMultipartUpload(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:AbortMultipartUpload', exchange.objectArn);
  await exchange.receiveNothing();
  const { upload } = getOpenUpload(exchange);
  exchange.around.store.abortUpload(upload.uploadId);
  await exchange.reply(204, {});
}

export function getOpenUpload(exchange: S3Exchange): OpenUpload {
  const uploadId = exchange.query('uploadId') ?? '';
  const open = exchange.around.store.findUpload(exchange.bucketName, exchange.key, uploadId);
  if (open === undefined) throw noSuchUpload(uploadId);
  return open;
}

export function checksumTypeMismatch(
  expected: ChecksumAlgorithm | undefined,
  actual: ChecksumAlgorithm | undefined,
): S3Error {
  const name = (algorithm: ChecksumAlgorithm | undefined): string => algorithm?.toLowerCase() ?? 'null';
  return new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${name(expected)}, actual checksum Type: ${name(actual)}`,
  );
}

function openPart(exchange: S3Exchange): { open: OpenUpload; partNumber: number } {
  exchange.require('s3:PutObject', exchange.objectArn);
  const text = exchange.query('partNumber') ?? '';
  const partNumber = Number(text);
  if (!/^\d+$/.test(text) || partNumber < 1 || partNumber > 10_000) {
    throw invalidArgument('Part number must be an integer between 1 and 10000, inclusive', 'partNumber', text);
  }
  const open = getOpenUpload(exchange);
  requireKms(exchange, open.upload.encryption, 'kms:GenerateDataKey', 'kms:Decrypt');
  return { open, partNumber };
}

/** It may have been aborted or completed while the body came in. */
function requireStillOpen(exchange: S3Exchange, upload: UploadRecord): void {
  if (exchange.around.store.findUpload(upload.bucket, upload.key, upload.uploadId) === undefined) {
    throw noSuchUpload(upload.uploadId);
  }
}

function parseChecksumPlan(exchange: S3Exchange): { algorithm: ChecksumAlgorithm | undefined; type: ChecksumType } {
  const name = exchange.header('x-amz-checksum-algorithm')?.toUpperCase();
  const type = exchange.header('x-amz-checksum-type')?.toUpperCase();
  if (name === undefined) {
    if (type === undefined) return { algorithm: undefined, type: 'FULL_OBJECT' };
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  if (!isChecksumAlgorithm(name))
    throw new S3Error(
      'InvalidRequest',
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  const chosen = type ?? (name === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  if (chosen !== 'COMPOSITE' && chosen !== 'FULL_OBJECT') {
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  }
  const impossible = chosen === 'FULL_OBJECT' ? name.startsWith('SHA') : name === 'CRC64NVME';
  if (impossible) {
    throw new S3Error(
      'InvalidRequest',
      `The ${chosen} checksum type cannot be used with the ${name.toLowerCase()} checksum algorithm.`,
    );
  }
  return { algorithm: name, type: chosen };
}

function sourceRange(exchange: S3Exchange, sizeBytes: number): { start: number; end: number } {
  const text = exchange.header('x-amz-copy-source-range');
  if (text === undefined) return { start: 0, end: sizeBytes };
  const match = /^bytes=(\d+)-(\d+)$/.exec(text);
  const start = Number(match?.[1]);
  const end = Number(match?.[2]) + 1;
  if (match === null || start >= end) {
    throw invalidArgument(
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      'x-amz-copy-source-range',
      text,
    );
  }
  if (end > sizeBytes) {
    throw invalidArgument(
      `Range specified is not valid for source object of size: ${sizeBytes}`,
      'x-amz-copy-source-range',
      text,
    );
  }
  return { start, end };
}
