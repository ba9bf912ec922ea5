import { type BigIntStats, closeSync, constants, fstatSync, openSync, rmSync } from 'node:fs';
import { copyFile, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FolderHandle, splitPath } from '../custody/folder-handle';
import { TransferError } from '../domain/errors';
import { printableName } from '../domain/printable-name';
import { asDiskError } from '../download/disk-error';
import { freeBytes } from '../download/room';
import type { AskedFile } from './find-asked-files';
import type { CollectedFile } from './job-uploads';
import { removeAll } from './staging';

export interface CollectOptions {
  /** Absolute; copies lie there until they are sent. */
  readonly copyFolder: string;
  readonly copyMaxBytes: number;
}

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const KEEP_FREE_BYTES = 16 * 1024 * 1024;

/**
 * A copy of each file as it is now, for a log goes on growing: by reflink where the file system can, else byte by byte
 * up to `copyMaxBytes`. What is larger, or finds no room, is sent from where it lies. Copies are on disk on return.
 * @param job number of its folder of copies
 */
export async function collectFiles(
  files: readonly AskedFile[],
  job: number,
  jobId: string,
  { copyFolder, copyMaxBytes }: CollectOptions,
  signal: AbortSignal,
): Promise<CollectedFile[]> {
  discardCopies(copyFolder, job);
  const folder = `${copyFolder}/${job}`;
  const collected: CollectedFile[] = [];
  let copies = 0;
  for (const file of files) {
    if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
    const { root, path } = file;
    const keyPath = `${jobId}/${printableName(Buffer.concat([Buffer.from(root.replace(/^\/+/, '') + (root === '/' ? '' : '/')), path]))}`;
    const fd = openAsked(file);
    if (fd === undefined) continue; // gone in the meantime
    try {
      const stats = fstatSync(fd, { bigint: true });
      if (!stats.isFile()) continue;
      if (copies === 0) await mkdir(folder, { recursive: true, mode: 0o700 });
      const name = String(copies);
      const copied = await copyOf(fd, stats, `${folder}/${name}`, copyMaxBytes);
      if (copied === undefined) collected.push({ root, path, keyPath, stats });
      else {
        copies++;
        collected.push({ root: copyFolder, path: Buffer.from(`${job}/${name}`), keyPath, stats: copied });
      }
    } catch (error) {
      throw asDiskError(error, folder);
    } finally {
      closeSync(fd);
    }
  }
  if (copies > 0) await syncFolders(dirname(copyFolder), copyFolder, folder);
  return collected;
}

export function discardCopies(copyFolder: string, job: number): void {
  removeAll(`${copyFolder}/${job}`);
}

/** @throws TransferError SOURCE_UNREADABLE */
function openAsked({ root, path }: AskedFile): number | undefined {
  const { folder, name } = splitPath(path);
  const top = FolderHandle.open(root);
  try {
    const below = top.openBelow(folder);
    try {
      return openSync(below.child(name), FLAGS);
    } finally {
      below.close();
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw new TransferError(
      'SOURCE_UNREADABLE',
      `${root}/${printableName(path)} cannot be read (${code}); let the daemon's user read it, and send the job again`,
      { cause },
    );
  } finally {
    top.close();
  }
}

/** @returns undefined when there is none */
async function copyOf(
  fd: number,
  { size }: BigIntStats,
  to: string,
  copyMaxBytes: number,
): Promise<BigIntStats | undefined> {
  const isSmall = size <= copyMaxBytes;
  const mode = isSmall ? constants.COPYFILE_FICLONE : constants.COPYFILE_FICLONE_FORCE;
  const folder = Buffer.from(to.slice(0, to.lastIndexOf('/')));
  if (isSmall && (await freeBytes(folder)) < Number(size) + KEEP_FREE_BYTES) return undefined;
  try {
    await copyFile(`/proc/self/fd/${fd}`, to, mode | constants.COPYFILE_EXCL);
  } catch (error) {
    rmSync(to, { force: true });
    if (!isSmall || (error as NodeJS.ErrnoException).code === 'ENOSPC') return undefined;
    throw error;
  }
  const copy = await open(to, 'r');
  try {
    await copy.datasync();
    return await copy.stat({ bigint: true });
  } finally {
    await copy.close();
  }
}

async function syncFolders(...folders: readonly string[]): Promise<void> {
  for (const path of folders.toReversed()) {
    const handle = FolderHandle.open(path);
    try {
      await handle.sync();
    } finally {
      handle.close();
    }
  }
}
