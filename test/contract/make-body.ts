import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Body } from '../../src/upload/body';
import type { DigestNeeds } from '../../src/upload/object-store';

export type Shape = 'buffer' | 'streamed';

const SLICE_BYTES = 64 * 1024;

/** A body as the upload room makes them. @param digested what the digests are of: other bytes than are sent are damage */
export function makeBody(bytes: Buffer, needs: DigestNeeds, shape: Shape = 'buffer', digested: Buffer = bytes): Body {
  return {
    sizeBytes: bytes.length,
    crc32: crc32(digested),
    md5: needs.md5 ? createHash('md5').update(digested).digest('base64') : undefined,
    sha256: needs.sha256 ? createHash('sha256').update(digested).digest('hex') : undefined,
    slices: () => (shape === 'buffer' ? [bytes] : readSlices(bytes)),
  };
}

/** One buffer for all slices, as a file is read. */
async function* readSlices(bytes: Buffer): AsyncGenerator<Uint8Array> {
  const slice = Buffer.alloc(SLICE_BYTES);
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    const length = bytes.copy(slice, 0, at);
    yield slice.subarray(0, length);
  }
}
