import { Readable } from 'node:stream';
import type { BlobSlice } from './blob-store';
import { checksumHeader } from './checksums';
import type { ReplyBody, S3Exchange } from './exchange';
import { checksumHeaders, encryptionHeaders, matchesEtag, requireKms } from './object-traits';
import type { ObjectRecord } from './records';
import { accessDenied, invalidArgument, noSuchKey, preconditionFailed, S3Error } from './s3-error';

/** Up to here an answer is read in one go. */
const WHOLE_BYTES = 256 * 1024;
/** So much at a time where it is watched how an answer goes out. */
const PIECE_BYTES = 64 * 1024;
const ARCHIVED = ['GLACIER', 'DEEP_ARCHIVE'];
const OVERRIDES = [
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
];

interface Extent {
  start: number;
  /** exclusive */
  end: number;
  status: 200 | 206;
  headers: Record<string, string>;
}

/** GetObject and HeadObject: the same checks and headers, with and without the body. */
export async function getObject(exchange: S3Exchange): Promise<void> {
  const head = exchange.head.method === 'HEAD';
  const object = findReadable(exchange, exchange.bucketName, exchange.key);
  requireKms(exchange, object.encryption, 'kms:Decrypt');
  await exchange.receiveNothing();
  if (!head && ARCHIVED.includes(object.storageClass)) {
    throw new S3Error('InvalidObjectState', "The operation is not valid for the object's storage class", {
      StorageClass: object.storageClass,
    });
  }
  checkReadConditions(exchange, object);
  const extent = extentOf(exchange, object);
  const length = extent.end - extent.start;
  exchange.hold(object.slices);
  const body = head ? { lengthBytes: length } : await bodyOf(exchange, object.slices, extent, length);
  await exchange.reply(extent.status, { ...headersOf(exchange, object), ...extent.headers }, body);
}

/** S3 hides whether a key exists from those who may not list the bucket. */
export function findReadable(exchange: S3Exchange, bucket: string, key: string): ObjectRecord {
  exchange.require('s3:GetObject', `arn:aws:s3:::${bucket}/${key}`);
  const object = exchange.around.store.findObject(bucket, key);
  if (object !== undefined) return object;
  throw exchange.allows('s3:ListBucket', `arn:aws:s3:::${bucket}`) ? noSuchKey(key) : accessDenied();
}

function headersOf(exchange: S3Exchange, object: ObjectRecord): Record<string, string> {
  const tagCount = Object.keys(object.tags).length;
  const showTags = tagCount > 0 && exchange.allows('s3:GetObjectTagging', exchange.objectArn);
  const overrides = OVERRIDES.flatMap((name) => {
    const value = exchange.query(name);
    return value === undefined ? [] : [[name.slice('response-'.length), value]];
  });
  return {
    ...object.headers,
    ...Object.fromEntries(overrides),
    'accept-ranges': 'bytes',
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.modifiedMs).toUTCString(),
    ...encryptionHeaders(object.encryption),
    ...(object.storageClass === 'STANDARD' ? {} : { 'x-amz-storage-class': object.storageClass }),
    ...(showTags ? { 'x-amz-tagging-count': String(tagCount) } : {}),
  };
}

function extentOf(exchange: S3Exchange, object: ObjectRecord): Extent {
  const wanted = exchange.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
  const whole = wanted ? checksumHeaders(object.checksum) : {};
  const partNumber = exchange.query('partNumber');
  const range = exchange.header('range');
  if (partNumber !== undefined) {
    if (range !== undefined)
      throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
    return partExtent(object, partNumber, wanted);
  }
  const isWanted = range !== undefined && isSameVersion(exchange.header('if-range'), object);
  const bounds = isWanted ? parseRange(range, object.sizeBytes) : undefined;
  if (bounds === undefined) return { start: 0, end: object.sizeBytes, status: 200, headers: whole };
  if (bounds.start >= bounds.end) {
    throw new S3Error(
      'InvalidRange',
      'The requested range is not satisfiable',
      {
        RangeRequested: range!,
        ActualObjectSize: object.sizeBytes,
      },
      { 'content-range': `bytes */${object.sizeBytes}` },
    );
  }
  // A ranged GET carries no checksum of the whole; HEAD with a range does not either.
  return { ...bounds, status: 206, headers: contentRange(bounds.start, bounds.end, object.sizeBytes) };
}

function partExtent(object: ObjectRecord, partNumber: string, wanted: boolean): Extent {
  const parts = object.parts ?? [{ sizeBytes: object.sizeBytes }];
  const number = Number(partNumber);
  if (!/^\d+$/.test(partNumber) || number < 1) {
    throw invalidArgument('Part number must be an integer between 1 and 10000, inclusive', 'partNumber', partNumber);
  }
  const part = parts[number - 1];
  if (part === undefined) throw new S3Error('InvalidRange', 'The requested partnumber is not satisfiable');
  const start = parts.slice(0, number - 1).reduce((sum, each) => sum + each.sizeBytes, 0);
  const end = start + part.sizeBytes;
  const checksum = 'checksum' in part && wanted && object.checksum !== undefined ? part.checksum : undefined;
  return {
    start,
    end,
    status: 206,
    headers: {
      ...contentRange(start, end, object.sizeBytes),
      ...(object.parts === undefined ? {} : { 'x-amz-mp-parts-count': String(parts.length) }),
      ...(checksum === undefined ? {} : { [checksumHeader(object.checksum!.algorithm)]: checksum }),
    },
  };
}

/** One range only; what S3 does not understand it ignores. An unsatisfiable one comes back empty. */
function parseRange(text: string, sizeBytes: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(text.trim());
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  if (match[1] === '') {
    const length = Number(match[2]);
    return { start: Math.max(sizeBytes - length, 0), end: length === 0 ? 0 : sizeBytes };
  }
  const start = Number(match[1]);
  const last = match[2] === '' ? sizeBytes - 1 : Number(match[2]);
  if (last < start && match[2] !== '') return undefined;
  return { start, end: Math.min(last + 1, sizeBytes) };
}

/** If-Range: an ETag, or the very time it was modified. Of another version the whole is sent, not a part. */
function isSameVersion(condition: string | undefined, { etag, modifiedMs }: ObjectRecord): boolean {
  if (condition === undefined || condition.trim() === `"${etag}"`) return true;
  return Date.parse(condition) === Math.floor(modifiedMs / 1000) * 1000;
}

function contentRange(start: number, end: number, sizeBytes: number): Record<string, string> {
  return { 'content-range': `bytes ${start}-${end - 1}/${sizeBytes}` };
}

/** RFC 9110's order: If-Match over If-Unmodified-Since, If-None-Match over If-Modified-Since. */
function checkReadConditions(exchange: S3Exchange, object: ObjectRecord): void {
  const modified = Math.floor(object.modifiedMs / 1000) * 1000;
  const match = exchange.header('if-match');
  const none = exchange.header('if-none-match');
  const unmodifiedSince = Date.parse(exchange.header('if-unmodified-since') ?? '');
  const modifiedSince = Date.parse(exchange.header('if-modified-since') ?? '');
  if (match !== undefined) {
    if (!matchesEtag(match, object.etag)) throw preconditionFailed('If-Match');
  } else if (modified > unmodifiedSince) throw preconditionFailed('If-Unmodified-Since');
  const unchanged = none === undefined ? modified <= modifiedSince : matchesEtag(none, object.etag);
  if (unchanged) throw new S3Error('NotModified', 'Not Modified', {}, { etag: `"${object.etag}"` });
}

async function bodyOf(exchange: S3Exchange, slices: BlobSlice[], extent: Extent, length: number): Promise<ReplyBody> {
  const { store, settings } = exchange.around;
  const { blobs } = store;
  if (length === 0) return '';
  if (length > WHOLE_BYTES || settings.onRead !== undefined) {
    const stream = blobs.read(slices, extent.start, extent.end);
    return { stream: settings.onRead === undefined ? stream : watched(stream, exchange), lengthBytes: length };
  }
  return blobs.readWhole(slices, extent.start, extent.end);
}

function watched(stream: Readable, { key, around }: S3Exchange): Readable {
  async function* pieces(): AsyncGenerator<Buffer> {
    for await (const bytes of stream as AsyncIterable<Buffer>) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        const piece = bytes.subarray(at, at + PIECE_BYTES);
        await around.settings.onRead?.(key, piece.length);
        yield piece;
      }
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
