import { closeSync, fchmodSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** The old content or the new one, whatever happens; nothing is written when it is the same. @param mode of the file when it is written */
export function writeFileDurably(file: string, content: string, mode: number): void {
  if (readIfThere(file) === content) return;
  const aside = `${file}.new`;
  const fd = openSync(aside, 'w', mode);
  try {
    fchmodSync(fd, mode); // whatever the umask
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(aside, file);
  syncFolder(dirname(file));
}

/** The names in it, onto the disk. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
