import { lstatSync } from 'node:fs';
import { type FolderHandle, joinPath, splitPath } from '../custody/folder-handle';
import { syncFileSystem } from '../custody/sync-file-system';
import { walkFolder } from '../custody/walk-folder';
import { TransferError } from '../domain/errors';
import { asDiskError } from '../download/disk-error';
import { Landing } from '../download/landing';
import { findClash } from './find-clash';
import type { JobFileRow } from './jobs-table';
import { type Staging, treeName } from './staging';

interface Move {
  /** Below the staging folder. */
  readonly from: Buffer;
  /** Below the jobs' folder. */
  readonly path: string;
}

/** Beyond so many one sync of the file system costs less than one for each folder. */
const FEW = 32;

/**
 * Makes the folders, and finds what would keep a file from its name, before any has got one.
 * @returns how many files are to land @throws TransferError
 */
export function planLanding(folder: string, rows: readonly JobFileRow[], staging: Staging): number {
  const { device } = staging;
  const paths = Array.from(movesOf(rows, staging), ({ path }) => path);
  const clash = findClash(paths);
  if (clash !== undefined) throw new TransferError('PATH_REFUSED', clash);
  for (const path of paths) {
    const landing = Landing.open(folder, path, 'none');
    try {
      landing.check(device);
    } finally {
      landing.close();
    }
  }
  return paths.length;
}

/**
 * Every staged file gets its name, over what is there; what has moved already is no longer staged.
 * @param isResumed some may have moved before, and whoever moved them may have been killed before the names were synced
 * @returns false when one is neither staged nor landed
 */
export async function landStaged(
  folder: string,
  rows: readonly JobFileRow[],
  staging: Staging,
  isResumed: boolean,
): Promise<boolean> {
  const isLost = rows.some((row) =>
    row.unpack === 'none'
      ? !staging.has(row.number) && inodeOf(`${folder}/${row.path}`) !== row.inode
      : !staging.hasTree(row.number),
  );
  if (isLost) return false;
  const moves = [...movesOf(rows, staging)];
  const syncsAll = isResumed || moves.length > FEW;
  for (const { from, path } of moves) {
    const source = splitPath(from);
    const holder = openHolder(staging, source.folder);
    try {
      const landing = Landing.open(folder, path, 'none');
      try {
        landing.take(holder.child(source.name));
        if (!syncsAll) await landing.sync();
      } finally {
        landing.close();
      }
    } finally {
      holder.close();
    }
  }
  if (syncsAll)
    await syncFileSystem(folder).catch((error: unknown) => {
      throw asDiskError(error, `${folder}/`);
    });
  return true;
}

function* movesOf(rows: readonly JobFileRow[], staging: Staging): Generator<Move> {
  for (const { number, path, unpack } of rows) {
    if (unpack === 'none') {
      if (staging.has(number)) yield { from: Buffer.from(String(number)), path };
      continue;
    }
    for (const found of walkFolder(staging.tree(number), { isIgnored: () => false })) {
      if (found === undefined) continue;
      const name = found.path.toString();
      if (!('stats' in found))
        throw new TransferError('DISK_FAILED', `the unpacked ${name} cannot be read again; look into the system's log`);
      yield { from: joinPath(Buffer.from(treeName(number)), found.path), path: path === '' ? name : `${path}/${name}` };
    }
  }
}

function openHolder(staging: Staging, folder: Buffer): FolderHandle {
  try {
    return staging.openBelow(folder);
  } catch (error) {
    throw asDiskError(error, folder);
  }
}

/** A rename keeps it: another file of that name is not the one that was staged. */
const inodeOf = (path: string): string | undefined =>
  lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino.toString();
