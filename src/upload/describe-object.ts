import { lookup } from 'mrmime';
import { crc32ToBase64 } from '../domain/crc32';
import { METADATA } from '../domain/object-metadata';
import { printableName } from '../domain/printable-name';
import type { ObjectAttributes } from './object-attributes';
import type { Upload } from './upload-row';

/** S3's limit for names and values of user metadata together, bytes. */
const MAX_METADATA_BYTES = 2_048;

/**
 * What is stored beside the bytes: where the file lay, when it was written (Unix seconds, the form other tools read
 * as `mtime`), whose upload it is, and its CRC32 where it is known before the first byte goes.
 */
export function describeObject(upload: Upload, uploadId: string, crc32: number | undefined): ObjectAttributes {
  const path = printableName(upload.path);
  const metadata: Record<string, string> = {
    [METADATA.mtime]: mtimeSeconds(upload.fingerprint.content),
    [METADATA.uploadId]: uploadId,
    ...(crc32 === undefined ? {} : { [METADATA.crc32]: crc32ToBase64(crc32) }),
  };
  const encodedPath = encodeURI(path);
  // The path is the only one that can be long; the key tells most of it.
  if (bytesOf(metadata) + METADATA.path.length + encodedPath.length <= MAX_METADATA_BYTES)
    metadata[METADATA.path] = encodedPath;
  return { key: upload.objectKey, contentType: lookup(path) ?? 'application/octet-stream', metadata };
}

/** Of a fingerprint's content: Unix milliseconds. */
export function mtimeMsOf(content: string): number {
  return Number(BigInt(content.slice(content.indexOf(':') + 1)) / 1_000_000n);
}

function mtimeSeconds(content: string): string {
  const ns = BigInt(content.slice(content.indexOf(':') + 1));
  const sign = ns < 0n ? '-' : '';
  const digits = (ns < 0n ? -ns : ns).toString().padStart(10, '0');
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

const bytesOf = (metadata: Record<string, string>): number =>
  Object.entries(metadata).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value), 0);
