import { closeSync, fsyncSync, mkdirSync, openSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';

/** With those above it, and their names on the disk: also of one that is there, as whoever made it may have been killed. */
export function makeFolderDurably(path: string, mode: number): void {
  mkdirSync(path, { recursive: true, mode });
  for (let at = realpathSync(path); at !== dirname(at); at = dirname(at)) syncIfOurs(dirname(at));
}

/** A folder that we may not read we have made nothing in. */
function syncIfOurs(folder: string): void {
  let fd: number;
  try {
    fd = openSync(folder, 'r');
  } catch {
    return;
  }
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
