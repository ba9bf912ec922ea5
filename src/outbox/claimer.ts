import { closeSync, constants, fdatasync, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { FolderHandle, splitPath } from '../custody/folder-handle';
import type { Spool } from '../custody/spool';
import { syncFileSystem } from '../custody/sync-file-system';
import { type Fingerprint, fingerprintOf } from '../domain/fingerprint';
import { BatchFolders, SourceFolders } from './claim-folders';
import { findOpenWriters, inodeOf } from './open-writers';
import { type Rename, renameAll } from './rename-all';
import type { Treatment } from './rules';

/** A file that has settled. */
export interface SettledFile {
  readonly path: Buffer;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly fingerprint: Fingerprint;
  /** `dev:ino` */
  readonly inode: string;
  readonly treatment: Treatment;
}

export interface ClaimedFile extends SettledFile {
  /** undefined: it stays where it is, and is sent from there. */
  readonly batch: number | undefined;
}

export interface Claim {
  /** On disk, data and names: rows may be made of them. */
  readonly claimed: readonly ClaimedFile[];
  /** Moved, but written since the look: they wait in their batch until they settle again. */
  readonly restless: readonly { readonly batch: number; readonly path: Buffer }[];
  /** Somebody writes to them, or the system refused: the next look. */
  readonly refused: readonly { readonly file: SettledFile; readonly why: Refusal }[];
  readonly hiddenProcesses: number;
}

/** Why a settled file was not claimed: held open for writing, or what could not be done to it (errno). */
export type Refusal = 'held' | { readonly step: 'read' | 'move' | 'sync'; readonly code: string };

export interface ClaimerOptions {
  /** Absolute. */
  readonly outbox: string;
  /** undefined: there is no place that files can be moved to. */
  readonly spool: () => Spool | undefined;
  /** Numbers grow for ever, also over a start. */
  readonly nextBatch: () => number;
  /** Whether a file that is held for writing has waited long enough. */
  readonly mayBreakHold: (file: SettledFile) => boolean;
  /** Remove folders of the outbox that a claim has emptied. */
  readonly prunesFolders: boolean;
}

/** A rename that is refused like this is refused for good: then the file is sent where it lies. */
const CANNOT_MOVE: ReadonlySet<string> = new Set(['EXDEV', 'EACCES', 'EPERM', 'EROFS']);
/** Gone, or no file any more: the next look sees what it is. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR']);
const NOTHING: Claim = { claimed: [], restless: [], refused: [], hiddenProcesses: 0 };
/** From so many files on, one sync of the file system is cheaper than one of each file. */
const SYNC_EACH_BELOW = 32;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const fdatasyncAsync = promisify(fdatasync);

/**
 * Takes files out of the producer's hands, a batch at a time: into a folder of the spool, by rename; then data and
 * names onto the disk. Rows are made after that, so that a row never speaks of what a power cut could take back.
 */
export class Claimer {
  constructor(private readonly options: ClaimerOptions) {}

  async claim(files: readonly SettledFile[]): Promise<Claim> {
    let root: FolderHandle;
    try {
      root = FolderHandle.open(this.options.outbox);
    } catch {
      return NOTHING; // the next look says why
    }
    try {
      return await this.#claimFrom(root, files);
    } finally {
      root.close();
    }
  }

  async #claimFrom(root: FolderHandle, files: readonly SettledFile[]): Promise<Claim> {
    const refused: { file: SettledFile; why: Refusal }[] = [];
    const folders = new SourceFolders(root);
    const keepOpen = files.length < SYNC_EACH_BELOW;
    const fds: number[] = [];
    const targets: FolderHandle[] = [];
    try {
      const readable: Entry[] = [];
      const inodes = new Set<string>();
      for (const file of files) {
        try {
          const entry = entryOf(folders, file);
          const fd = openFile(entry.from);
          if (fd === undefined) continue;
          if (keepOpen) fds.push(fd);
          else closeSync(fd);
          readable.push(entry);
          inodes.add(file.inode);
        } catch (error) {
          if (!isGone(error)) refused.push({ file, why: refusal('read', error) });
        }
      }
      const { held, hiddenProcesses } = findOpenWriters(inodes);
      const free = readable.filter(({ file }) => {
        const isFree = !held.has(file.inode) || this.options.mayBreakHold(file);
        if (!isFree) refused.push({ file, why: 'held' });
        return isFree;
      });
      const { moved, inPlace, restless } = await this.#move(free, targets, refused);
      let unsynced: readonly ClaimedFile[] = [];
      if (moved.length > 0 || restless.length > 0) {
        try {
          if (keepOpen) await syncEach(fds, [...targets, ...folders.opened()]);
          else await syncFileSystem(this.options.spool()!.folder);
        } catch (error) {
          unsynced = moved; // no row may speak of them yet
          refused.push(...unsynced.map((file) => ({ file, why: refusal('sync', error) })));
        }
      }
      if (this.options.prunesFolders) folders.pruneEmpty();
      return {
        claimed: [...(unsynced.length > 0 ? [] : moved), ...inPlace],
        restless: [...restless, ...unsynced.map(({ batch, path }) => ({ batch: batch!, path }))],
        refused,
        hiddenProcesses,
      };
    } finally {
      for (const fd of fds) closeSync(fd);
      for (const target of targets) target.close();
      folders.close();
    }
  }

  /** @param targets the folders made for them, to be synced and closed @param refused what the system would not do */
  async #move(entries: readonly Entry[], targets: FolderHandle[], refused: { file: SettledFile; why: Refusal }[]) {
    const spool = this.options.spool();
    const names = new Set<string>();
    const staying = new Set<SettledFile>();
    const refuse = (file: SettledFile, error: unknown): void => {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (CANNOT_MOVE.has(code)) staying.add(file);
      else if (!GONE.has(code)) refused.push({ file, why: refusal('move', error) });
    };
    const moves: (Entry & Rename)[] = [];
    let target: BatchFolders | undefined;
    for (const { file, source, from } of entries) {
      if (file.treatment.claim === 'leave' || spool?.takesFiles !== true) {
        staying.add(file);
        continue;
      }
      const key = file.path.toString('latin1');
      if (names.has(key)) continue; // a name once per batch: a rename must not go over anything
      names.add(key);
      try {
        target ??= new BatchFolders(spool, this.options.nextBatch, targets);
        const { folder, name } = splitPath(file.path);
        moves.push({ file, source, from, to: target.get(folder).child(name) });
      } catch (error) {
        refuse(file, error);
      }
    }
    const moved: ClaimedFile[] = [];
    const restless: { batch: number; path: Buffer }[] = [];
    const errors = await renameAll(moves);
    for (const [at, { file, source, to }] of moves.entries()) {
      const error = errors.get(at);
      if (error !== undefined) {
        refuse(file, error);
        continue;
      }
      const { batch } = target!;
      // Our own rename moves ctime, so that only content and inode can be compared with the look.
      const stats = lstatSync(to, { bigint: true, throwIfNoEntry: false });
      if (stats === undefined) continue; // somebody clears the spool away
      const fingerprint = fingerprintOf(stats);
      const isSame = fingerprint.content === file.fingerprint.content && inodeOf(stats) === file.inode;
      if (isSame && stats.isFile()) moved.push({ ...file, fingerprint, batch });
      else restless.push({ batch, path: file.path });
      if (file.treatment.marker !== undefined) removeMarker(source, file.path, file.treatment.marker);
    }
    if (moved.length === 0 && restless.length === 0) target?.removeEmpty();
    const inPlace = [...staying].map((file): ClaimedFile => ({ ...file, batch: undefined }));
    return { moved, inPlace, restless };
  }
}

/** Where a file lies, by the handle of its folder. */
interface Entry {
  readonly file: SettledFile;
  readonly source: FolderHandle;
  readonly from: Buffer;
}

function entryOf(folders: SourceFolders, file: SettledFile): Entry {
  const { folder, name } = splitPath(file.path);
  const source = folders.get(folder);
  return { file, source, from: source.child(name) };
}

const refusal = (step: 'read' | 'move' | 'sync', error: unknown): Refusal => ({
  step,
  code: (error as NodeJS.ErrnoException).code ?? 'UNKNOWN',
});

/** To be read, so that none is claimed that could not be sent. @returns undefined when it is no file any more */
function openFile(path: Buffer): number | undefined {
  const fd = openSync(path, READ);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd); // a folder or a FIFO took its place
  return undefined;
}

function isGone(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return GONE.has(code) || code === 'ENXIO';
}

async function syncEach(fds: readonly number[], folders: readonly FolderHandle[]): Promise<void> {
  await Promise.all(fds.map((fd) => fdatasyncAsync(fd)));
  await Promise.all(folders.map((folder) => folder.sync()));
}

function removeMarker(folder: FolderHandle, path: Buffer, marker: string): void {
  const { name } = splitPath(path);
  try {
    unlinkSync(folder.child(Buffer.concat([name, Buffer.from(marker)])));
  } catch {
    // It is gone, or somebody else's: it says no more than that the next file of that name is whole at once.
  }
}
