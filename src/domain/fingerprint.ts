import type { BigIntStats } from 'node:fs';

/** Identity of a version of a file, in two steps: what a change of content moves, and what also a chmod or a move does. */
export interface Fingerprint {
  /** size and mtime (ns). */
  readonly content: string;
  /** ctime (ns), inode and device. */
  readonly place: string;
}

export function fingerprintOf(stats: Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>): Fingerprint {
  return { content: `${stats.size}:${stats.mtimeNs}`, place: `${stats.ctimeNs}:${stats.ino}:${stats.dev}` };
}

/**
 * - `same`: nothing moved
 * - `moved`: size and mtime are equal, but ctime, inode or device differ (chmod, a restored copy, a remount): the
 *   content has to be compared before what was sent of it counts
 * - `changed`: another version
 */
export function compareFingerprints(known: Fingerprint, now: Fingerprint): 'same' | 'moved' | 'changed' {
  if (known.content !== now.content) return 'changed';
  return known.place === now.place ? 'same' : 'moved';
}

/** `ino:dev` */
export const inodeOf = ({ place }: Fingerprint): string => place.slice(place.indexOf(':') + 1);

/** Whether ctime and inode are the same; the device's number changes when a disk is mounted anew. */
export function isSameInode(known: Fingerprint, now: Fingerprint): boolean {
  const withoutDevice = ({ place }: Fingerprint): string => place.slice(0, place.lastIndexOf(':'));
  return withoutDevice(known) === withoutDevice(now);
}
