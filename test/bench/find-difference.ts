import type { NullS3Report } from './null-s3-protocol';
import type { SourceFile } from './source-files';

/** Undefined when exactly these files arrived under this prefix, each with its size and CRC32. */
export function findDifference(
  files: readonly SourceFile[],
  prefix: string,
  { objects, refused }: Pick<NullS3Report, 'objects' | 'refused'>,
): string | undefined {
  if (refused[0] !== undefined) return `${refused.length} requests refused, the first: ${refused[0]}`;
  const arrived = new Map(objects);
  for (const { name, size, crc32 } of files) {
    const object = arrived.get(prefix + name);
    if (object === undefined) return `${prefix}${name} did not arrive (${arrived.size} of ${files.length} objects did)`;
    if (object.size !== size) return `${prefix}${name} has ${object.size} bytes instead of ${size}`;
    if (object.crc32 !== crc32) return `${prefix}${name} has other bytes than its source`;
  }
  return arrived.size === files.length ? undefined : `${arrived.size - files.length} objects nobody asked for arrived`;
}
