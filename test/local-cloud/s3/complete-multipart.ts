import { createHash, randomBytes } from 'node:crypto';
import {
  badChecksum,
  CHECKSUM_ALGORITHMS,
  checksumElement,
  findChecksumHeaders,
  joinChecksums,
  type StoredChecksum,
} from './checksums';
import { replyError200 } from './copy-object';
import type { S3Exchange } from './exchange';
import { checksumTypeMismatch } from './multipart';
import { checkWriteConditions, encryptionHeaders, isKms, requireKms } from './object-traits';
import { OWN_CHECKSUM } from './put-object';
import type { CompletedUpload, ObjectRecord, OpenUpload, PartRecord, UploadRecord } from './records';
import { noSuchUpload, S3Error } from './s3-error';
import { childText, el, malformedXml, type XmlElement } from './xml';

const MIN_PART_BYTES = 5 * 1024 * 1024;
const MAX_PARTS = 10_000;

interface NamedPart {
  partNumber: number;
  etag: string;
  checksums: Partial<Record<(typeof CHECKSUM_ALGORITHMS)[number], string>>;
}

export async function completeMultipartUpload(exchange: S3Exchange): Promise<void> {
  const { store, now, settings } = exchange.around;
  const { bucketName: bucket, key } = exchange;
  const uploadId = exchange.query('uploadId') ?? '';
  exchange.require('s3:PutObject', exchange.objectArn);
  const before = store.findCompleted(bucket, key, uploadId);
  if (store.findUpload(bucket, key, uploadId) === undefined && before === undefined) throw noSuchUpload(uploadId);
  const named = parseParts(await exchange.receiveXml('CompleteMultipartUpload', { checksumsOfObject: true }));
  const fingerprint = createHash('sha256').update(JSON.stringify(named)).digest('hex');
  const open = store.findUpload(bucket, key, uploadId);
  if (open === undefined) {
    const completed = store.findCompleted(bucket, key, uploadId);
    const remembered = completed !== undefined && now() - completed.completedMs <= settings.completeRepeatMs;
    if (!remembered || completed.fingerprint !== fingerprint) throw noSuchUpload(uploadId);
    await replyCompleted(exchange, completed);
    return;
  }
  requireKms(exchange, open.upload.encryption, 'kms:GenerateDataKey', 'kms:Decrypt');
  checkConditions(exchange, open);
  const parts = pickParts(open, named);
  const checksum = verifyWhole(exchange, open.upload, parts);
  if (await replyError200(exchange)) return;
  const object = joinObject(open.upload, parts, checksum, now());
  const completed: CompletedUpload = {
    uploadId,
    bucket,
    key,
    completedMs: now(),
    fingerprint,
    etag: object.etag,
    encryption: object.encryption,
    checksum,
  };
  store.completeUpload(object, completed);
  await replyCompleted(exchange, completed);
}

/** After a 409 nothing can be saved: the upload has to be begun anew. */
function checkConditions(exchange: S3Exchange, { upload }: OpenUpload): void {
  try {
    checkWriteConditions(exchange, exchange.around.store.findObject(upload.bucket, upload.key));
  } catch (error) {
    if (error instanceof S3Error && error.code === 'ConditionalRequestConflict') {
      exchange.around.store.abortUpload(upload.uploadId);
    }
    throw error;
  }
}

function parseParts(root: XmlElement): NamedPart[] {
  const parts = root.children.map((child): NamedPart => {
    const number = childText(child, 'PartNumber')?.trim() ?? '';
    const etag = childText(child, 'ETag');
    if (child.name !== 'Part' || !/^\d{1,5}$/.test(number) || etag === undefined) throw malformedXml();
    const sums = CHECKSUM_ALGORITHMS.flatMap((algorithm) => {
      const value = childText(child, checksumElement(algorithm));
      return value === undefined ? [] : [[algorithm, value] as const];
    });
    return {
      partNumber: Number(number),
      etag: etag.trim().replace(/^"|"$/g, ''),
      checksums: Object.fromEntries(sums),
    };
  });
  if (parts.length === 0 || parts.length > MAX_PARTS) throw malformedXml();
  return parts;
}

function pickParts({ upload, parts }: OpenUpload, named: NamedPart[]): PartRecord[] {
  const algorithm = upload.checksumAlgorithm;
  const picked = named.map((each, index) => {
    if (each.partNumber <= (named[index - 1]?.partNumber ?? 0)) {
      throw new S3Error(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. Parts must be ordered by part number.',
        {
          UploadId: upload.uploadId,
        },
      );
    }
    const part = parts.get(each.partNumber);
    const stray = CHECKSUM_ALGORITHMS.find((name) => name !== algorithm && each.checksums[name] !== undefined);
    if (stray !== undefined) throw checksumTypeMismatch(algorithm, stray);
    if (algorithm !== undefined && each.checksums[algorithm] === undefined) {
      throw new S3Error(
        'InvalidRequest',
        `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${each.partNumber} in the request.`,
      );
    }
    const checksumFits = algorithm === undefined || each.checksums[algorithm] === part?.checksum;
    if (part === undefined || part.etag !== each.etag || !checksumFits) {
      throw new S3Error(
        'InvalidPart',
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        { UploadId: upload.uploadId, PartNumber: each.partNumber, ETag: each.etag },
      );
    }
    return part;
  });
  const small = picked.slice(0, -1).find((part) => part.sizeBytes < MIN_PART_BYTES);
  if (small !== undefined) {
    throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
      ProposedSize: small.sizeBytes,
      MinSizeAllowed: MIN_PART_BYTES,
      PartNumber: small.partNumber,
      ETag: small.etag,
    });
  }
  // Documented: with checksums the numbers must be 1, 2, 3…, and S3 answers 500 when they are not.
  if (algorithm !== undefined && picked.at(-1)!.partNumber !== picked.length) {
    throw new S3Error('InternalError', 'We encountered an internal error. Please try again.');
  }
  return picked;
}

function verifyWhole(exchange: S3Exchange, upload: UploadRecord, parts: PartRecord[]): StoredChecksum {
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  const statedSize = exchange.header('x-amz-mp-object-size');
  if (statedSize !== undefined && statedSize !== String(sizeBytes)) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${statedSize} does not match what was computed: ${sizeBytes}`,
    );
  }
  const type = upload.checksumType;
  const statedType = exchange.header('x-amz-checksum-type');
  if (statedType !== undefined && statedType.toUpperCase() !== type) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${type} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const algorithm = upload.checksumAlgorithm ?? OWN_CHECKSUM;
  const value = joinChecksums(algorithm, type, parts);
  const stated = statedChecksum(exchange);
  if (stated !== undefined) {
    if (stated.algorithm !== algorithm) throw checksumTypeMismatch(algorithm, stated.algorithm);
    // A composite may be stated with its number of parts or without.
    if (stated.value !== value && `${stated.value}-${parts.length}` !== value) throw badChecksum(algorithm);
  }
  return { algorithm, type, value };
}

/** In Complete the checksum headers speak of the object, not of this request's document. */
function statedChecksum(exchange: S3Exchange): { algorithm: StoredChecksum['algorithm']; value: string } | undefined {
  const { headers } = exchange.head;
  const composite = /-\d+$/;
  const plain = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value.replace(composite, '')]),
  );
  const found = findChecksumHeaders(plain);
  return found?.value === undefined ? undefined : { algorithm: found.algorithm, value: found.value };
}

function joinObject(upload: UploadRecord, parts: PartRecord[], checksum: StoredChecksum, nowMs: number): ObjectRecord {
  const md5 = createHash('md5').update(Buffer.concat(parts.map((part) => Buffer.from(part.etag, 'hex'))));
  const etag = isKms(upload.encryption) ? randomBytes(16).toString('hex') : md5.digest('hex');
  return {
    bucket: upload.bucket,
    key: upload.key,
    sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
    etag: `${etag}-${parts.length}`,
    modifiedMs: nowMs,
    slices: parts.flatMap((part) => part.slices),
    checksum,
    parts: parts.map(({ sizeBytes, checksum: ofPart }) => ({ sizeBytes, checksum: ofPart })),
    headers: upload.headers,
    tags: upload.tags,
    storageClass: upload.storageClass,
    encryption: upload.encryption,
  };
}

function replyCompleted(exchange: S3Exchange, completed: CompletedUpload): Promise<void> {
  const { checksum } = completed;
  return exchange.replyXml(
    el('CompleteMultipartUploadResult', [
      el('Location', `https://${exchange.header('host')}/${completed.bucket}/${completed.key}`),
      el('Bucket', completed.bucket),
      el('Key', completed.key),
      el('ETag', `"${completed.etag}"`),
      ...(checksum === undefined
        ? []
        : [el(checksumElement(checksum.algorithm), checksum.value), el('ChecksumType', checksum.type)]),
    ]),
    encryptionHeaders(completed.encryption),
  );
}
