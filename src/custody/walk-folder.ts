import { type BigIntStats, type Dir, opendirSync } from 'node:fs';
import { FolderHandle, nameStart } from './folder-handle';

export interface FoundFile {
  /** Relative to the folder, as on disk. */
  readonly path: Buffer;
  /** The path of the folder it lies in: one buffer for all that lie there. */
  readonly folder: Buffer;
  readonly stats: BigIntStats;
}

/** What could not be looked at, a folder mostly; the others go on. */
export interface Unreadable {
  readonly path: Buffer;
  readonly cause: NodeJS.ErrnoException;
}

/** Neither file nor folder: it is left where it is. */
export interface OddEntry {
  readonly path: Buffer;
  readonly kind: 'symlink' | 'socket' | 'FIFO' | 'device';
}

export interface WalkOptions {
  /** Whether an entry, file or folder, is none of ours. */
  readonly isIgnored: (path: Buffer) => boolean;
  /** Told the number of entries of each folder. */
  readonly onFolder?: (path: Buffer, entries: number) => void;
}

/**
 * All regular files below a folder, one at a time, so that a huge folder never lies in memory. Folders are walked by
 * handle. Synchronous: a thread-pool trip per file costs ten times the look itself; the caller lets others run between
 * entries, each of which yields, if only undefined.
 */
export function* walkFolder(
  folder: Buffer | string,
  options: WalkOptions,
): Generator<FoundFile | Unreadable | OddEntry | undefined> {
  let root: FolderHandle;
  try {
    root = FolderHandle.open(folder);
  } catch (cause) {
    yield { path: ROOT, cause: cause as NodeJS.ErrnoException };
    return;
  }
  yield* walk(root, ROOT, options);
}

const ROOT = Buffer.alloc(0);
const SLASH = 0x2f;

/** Closes the handle. */
function* walk(
  handle: FolderHandle,
  path: Buffer,
  options: WalkOptions,
): Generator<FoundFile | Unreadable | OddEntry | undefined> {
  const folders: Buffer[] = [];
  let entries = 0;
  let dir: Dir | undefined;
  try {
    dir = openByBytes(handle.path);
    for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) {
      entries += 1;
      const below = pathBelow(path, entry.name);
      if (options.isIgnored(below)) {
        yield undefined;
        continue;
      }
      const found = entry.isDirectory() ? 'folder' : lookUp(handle, path, below);
      if (found === 'folder') folders.push(below);
      yield found === 'folder' ? undefined : found;
    }
    options.onFolder?.(path, entries);
    for (const below of folders) {
      let child: FolderHandle;
      try {
        child = handle.openChild(below.subarray(nameStart(path)));
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        // Gone meanwhile, or swapped for something else: the next look sees what it is.
        if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP')
          yield { path: below, cause: cause as NodeJS.ErrnoException };
        continue;
      }
      yield* walk(child, below, options);
    }
  } catch (cause) {
    yield { path, cause: cause as NodeJS.ErrnoException };
  } finally {
    dir?.closeSync();
    handle.close();
  }
}

/**
 * What it is: some file systems do not tell that with the name. One file that its disk cannot tell of is no reason to
 * leave out the rest of its folder.
 * @throws EACCES: so it is for all of them
 */
function lookUp(
  handle: FolderHandle,
  folder: Buffer,
  path: Buffer,
): FoundFile | Unreadable | OddEntry | 'folder' | undefined {
  let stats: BigIntStats | undefined;
  try {
    stats = handle.findEntry(path, nameStart(folder));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EACCES') throw cause;
    return { path, cause: cause as NodeJS.ErrnoException };
  }
  if (stats === undefined) return undefined; // gone meanwhile
  if (stats.isFile()) return { path, folder, stats };
  return stats.isDirectory() ? 'folder' : { path, kind: kindOf(stats) };
}

function kindOf(stats: BigIntStats): OddEntry['kind'] {
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isSocket()) return 'socket';
  return stats.isFIFO() ? 'FIFO' : 'device';
}

/** The typings know only strings as paths. Names are bytes: one character each, which costs less than a buffer of its own. */
const openByBytes = (path: Buffer): Dir =>
  opendirSync(path as unknown as string, { encoding: 'latin1', bufferSize: 256 });

function pathBelow(folder: Buffer, name: string): Buffer {
  const at = nameStart(folder);
  const below = Buffer.allocUnsafe(at + name.length);
  if (at > 0) {
    folder.copy(below);
    below[at - 1] = SLASH;
  }
  below.write(name, at, 'latin1');
  return below;
}
