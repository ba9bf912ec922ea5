import { createHash } from 'node:crypto';
import { crc32 } from '../domain/crc32';
import { TransferError } from '../domain/errors';
import type { Body } from './body';
import type { DigestNeeds } from './object-store';
import type { SourceFile } from './source-file';

/** As much as goes into the socket at once: more would double the part in encrypted copies. */
export const SLICE_BYTES = 256 * 1024;

/** Told how many bytes of this body have left; starts over when the body is sent again. */
export type OnSent = (bytes: number) => void;

/** Reads a range into the buffer and digests it there. */
export async function readBody(
  source: SourceFile,
  offset: number,
  buffer: Buffer,
  needs: DigestNeeds,
  onSent: OnSent,
): Promise<Body> {
  await source.read(buffer, offset);
  return {
    sizeBytes: buffer.length,
    crc32: crc32(buffer),
    md5: needs.md5 ? createHash('md5').update(buffer).digest('base64') : undefined,
    sha256: needs.sha256 ? createHash('sha256').update(buffer).digest('hex') : undefined,
    slices: () => (buffer.length <= SLICE_BYTES ? [buffer] : cutSlices(buffer, onSent)),
  };
}

function* cutSlices(buffer: Buffer, onSent: OnSent): Generator<Buffer> {
  for (let at = 0; at < buffer.length; at += SLICE_BYTES) {
    onSent(at);
    yield buffer.subarray(at, at + SLICE_BYTES);
  }
  onSent(buffer.length);
}

/**
 * A range too large for a buffer: digested in one pass, sent in a second, both through `scratch`. S3 compares the
 * second with the digests of the first, so a file that changes between them is refused.
 */
export async function streamBody(
  source: SourceFile,
  offset: number,
  sizeBytes: number,
  scratch: Buffer,
  needs: DigestNeeds,
  onSent: OnSent,
  signal: AbortSignal,
): Promise<Body> {
  const md5 = needs.md5 ? createHash('md5') : undefined;
  const sha256 = needs.sha256 ? createHash('sha256') : undefined;
  let sum = 0;
  for await (const slice of readSlices(source, offset, sizeBytes, scratch, () => undefined)) {
    if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
    sum = crc32(slice, sum);
    md5?.update(slice);
    sha256?.update(slice);
  }
  return {
    sizeBytes,
    crc32: sum,
    md5: md5?.digest('base64'),
    sha256: sha256?.digest('hex'),
    slices: () => readSlices(source, offset, sizeBytes, scratch, onSent),
  };
}

/** Every slice is the same piece of memory: the next is read when the one before has left. */
async function* readSlices(
  source: SourceFile,
  offset: number,
  sizeBytes: number,
  scratch: Buffer,
  onSent: OnSent,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < sizeBytes; at += scratch.length) {
    onSent(at);
    const slice = scratch.subarray(0, Math.min(scratch.length, sizeBytes - at));
    await source.read(slice, offset + at);
    yield slice;
  }
  onSent(sizeBytes);
}

/** CRC32 of a range, through `scratch`. */
export async function crc32OfRange(
  source: SourceFile,
  offset: number,
  sizeBytes: number,
  scratch: Buffer,
): Promise<number> {
  let sum = 0;
  for await (const slice of readSlices(source, offset, sizeBytes, scratch, () => undefined)) sum = crc32(slice, sum);
  return sum;
}
