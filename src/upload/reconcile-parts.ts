import type { ListedPart } from './object-store';
import type { SentPart } from './part-plan';

/**
 * Our record of parts against S3's. A part counts when S3 holds it with our size and, where both know one, our
 * checksum, else our ETag. What S3 holds beyond our record is sent again under its number: its answer never came, and
 * who knows what it holds.
 */
export function reconcileParts(
  recorded: readonly SentPart[],
  listed: readonly ListedPart[],
): { held: SentPart[]; lost: number[] } {
  const byNumber = new Map(listed.map((part) => [part.number, part]));
  const held: SentPart[] = [];
  const lost: number[] = [];
  for (const part of recorded) {
    const there = byNumber.get(part.number);
    const same =
      there !== undefined &&
      there.size === part.sizeBytes &&
      (there.crc32 === undefined ? there.etag === part.etag : there.crc32 === part.crc32);
    if (same) held.push({ ...part, etag: there.etag });
    else lost.push(part.number);
  }
  return { held, lost };
}
