import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { crc32 } from '../domain/crc32';

/** A file that was fetched whole, verified and put onto the disk. */
export interface WholeFile {
  readonly inode: string;
  readonly sizeBytes: number;
  readonly crc32: number;
}

const READ_BYTES = 256 * 1024;
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Whether these bytes are in it, and no others. @param file bytes, in an open folder */
export async function hasContent(file: Buffer, { sizeBytes, crc32: wanted }: WholeFile): Promise<boolean> {
  const handle = await open(file, FLAGS).catch(() => undefined); // a symlink, or not ours to read: none of ours
  if (handle === undefined) return false;
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size !== sizeBytes) return false;
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let found = 0;
    for (let at = 0; at < sizeBytes; ) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return false;
      found = crc32(buffer.subarray(0, bytesRead), found);
      at += bytesRead;
    }
    return found === wanted;
  } finally {
    await handle.close();
  }
}
