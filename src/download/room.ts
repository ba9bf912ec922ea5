import { statfs } from 'node:fs/promises';

/** What a user without privileges may still write there. */
export async function freeBytes(path: Buffer): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
