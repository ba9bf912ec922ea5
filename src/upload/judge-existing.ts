import type { ObjectInfo } from './object-store';

/** What the attempt that met `412` would have made. */
export interface Mine {
  readonly uploadId: string;
  readonly sizeBytes: number;
  readonly crc32: number;
}

/**
 * The key is taken, says S3. By whom?
 * - `ours`: an earlier attempt of this very upload; its answer was lost
 * - `assumed-ours`: S3 lets nobody look, and an earlier attempt's answer was lost
 * - `foreign`: another object
 * - `gone`: it was deleted in between
 * @param seen what HEAD said; `denied` without s3:GetObject
 */
export function judgeExisting(
  seen: ObjectInfo | undefined | 'denied',
  mine: Mine,
  earlierOutcomeUnknown: boolean,
): 'ours' | 'assumed-ours' | 'foreign' | 'gone' {
  if (seen === 'denied') return earlierOutcomeUnknown ? 'assumed-ours' : 'foreign';
  if (seen === undefined) return 'gone';
  return isMine(seen, mine) ? 'ours' : 'foreign';
}

/** Our id, our size, and no checksum that says otherwise. */
export function isMine(seen: ObjectInfo, { uploadId, sizeBytes, crc32 }: Mine): boolean {
  return (
    seen.uploadId === uploadId &&
    seen.size === sizeBytes &&
    (seen.crc32 ?? crc32) === crc32 &&
    (seen.metadataCrc32 ?? crc32) === crc32
  );
}
