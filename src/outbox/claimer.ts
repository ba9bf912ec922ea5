import { closeSync, fdatasync, unlinkSync } from 'node:fs';
import { getSystemErrorName, promisify } from 'node:util';
import { FolderHandle, nameStart } from '../custody/folder-handle';
import type { Spool } from '../custody/spool';
import { type Fingerprint, fingerprintOf, inodeOf } from '../domain/fingerprint';
import { type ClaimCalls, DONE, directCalls, GONE, type Moved, openFile, statsAt } from './claim-calls';
import { BatchFolders, SourceFolders } from './claim-folders';
import { findOpenWriters } from './open-writers';
import { type PackedPaths, PathPacker, pathAt } from './packed-paths';
import type { Treatment } from './rules';

/** A file that has settled. */
export interface SettledFile {
  readonly path: Buffer;
  /** The path of the folder it lies in. */
  readonly folder: Buffer;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly fingerprint: Fingerprint;
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
  /** Who makes the system calls of more than a few files. */
  readonly calls: ClaimCalls;
}

/** A rename that is refused like this is refused for good: then the file is sent where it lies. */
const CANNOT_MOVE: ReadonlySet<string> = new Set(['EXDEV', 'EACCES', 'EPERM', 'EROFS']);
/** Gone, or no file any more: the next look sees what it is. */
const VANISHED: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR']);
const NOTHING: Claim = { claimed: [], restless: [], refused: [], hiddenProcesses: 0 };
/** From so many files on, one sync of the file system is cheaper than one of each file. */
const SYNC_EACH_BELOW = 32;
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
    const refused: Refused[] = [];
    const folders = new SourceFolders(root);
    const isFew = files.length < SYNC_EACH_BELOW;
    const calls = isFew ? directCalls : this.options.calls;
    const fds: number[] = [];
    const targets: FolderHandle[] = [];
    try {
      const there = findAll(folders, files, refused);
      const readable = isFew ? openAll(there, fds, refused) : await tryAll(there, calls, refused);
      const { held, hiddenProcesses } = findOpenWriters();
      const free = readable.filter((file) => {
        const isFree = !held.has(inodeOf(file.fingerprint)) || this.options.mayBreakHold(file);
        if (!isFree) refused.push({ file, why: 'held' });
        return isFree;
      });
      const { moved, inPlace, restless } = await this.#move(free, folders, calls, targets, refused);
      let unsynced: readonly ClaimedFile[] = [];
      if (moved.length > 0 || restless.length > 0) {
        try {
          if (isFew) await syncEach(fds, [...targets, ...folders.opened()]);
          else await calls.sync(this.options.spool()!.folder);
        } catch (error) {
          unsynced = moved; // no row may speak of them yet
          refused.push(...unsynced.map((file) => ({ file, why: { step: 'sync', code: codeOf(error) } as const })));
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
  async #move(
    files: readonly SettledFile[],
    folders: SourceFolders,
    calls: ClaimCalls,
    targets: FolderHandle[],
    refused: Refused[],
  ) {
    const staying: SettledFile[] = [];
    const refuse = (file: SettledFile, code: string): void => {
      if (CANNOT_MOVE.has(code)) staying.push(file);
      else if (!VANISHED.has(code)) refused.push({ file, why: { step: 'move', code } });
    };
    const { moves, batch, from, to } = this.#plan(files, folders, targets, staying, refuse);
    const done = await calls.move(from, to);
    const moved: ClaimedFile[] = [];
    const restless: { batch: number; path: Buffer }[] = [];
    for (const [at, file] of moves.entries()) {
      const outcome = done.outcomes[at]!;
      if (outcome < 0) refuse(file, getSystemErrorName(outcome));
      if (outcome < 0 || outcome === GONE) continue;
      const claimed = claimedFileOf(file, batch!.batch, done, at);
      if (claimed !== undefined) moved.push(claimed);
      else restless.push({ batch: batch!.batch, path: file.path });
      if (file.treatment.marker !== undefined) removeMarker(folders.get(file.folder), file, file.treatment.marker);
    }
    if (moved.length === 0 && restless.length === 0) batch?.removeEmpty();
    const inPlace = staying.map((file): ClaimedFile => ({ ...file, batch: undefined }));
    return { moved, inPlace, restless };
  }

  /** Which are to be moved, and where; the folders for them are made. */
  #plan(
    files: readonly SettledFile[],
    folders: SourceFolders,
    targets: FolderHandle[],
    staying: SettledFile[],
    refuse: (file: SettledFile, code: string) => void,
  ) {
    const spool = this.options.spool();
    const names = new Set<string>();
    const moves: SettledFile[] = [];
    const from = new PathPacker();
    const to = new PathPacker();
    let batch: BatchFolders | undefined;
    for (const file of files) {
      if (file.treatment.claim === 'leave' || spool?.takesFiles !== true) {
        staying.push(file);
        continue;
      }
      const key = file.path.toString('latin1');
      if (names.has(key)) continue; // a name once per batch: a rename must not go over anything
      names.add(key);
      try {
        batch ??= new BatchFolders(spool, this.options.nextBatch, targets);
        const target = batch.get(file.folder);
        from.add(folders.get(file.folder).path, file.path, nameStart(file.folder));
        to.add(target.path, file.path, nameStart(file.folder));
        moves.push(file);
      } catch (error) {
        refuse(file, codeOf(error));
      }
    }
    return { moves, batch, from: from.pack(), to: to.pack() };
  }
}

/** @returns undefined when it is not what the look has seen. Our own rename moves ctime: content and inode are compared. */
function claimedFileOf(file: SettledFile, batch: number, done: Moved, at: number): ClaimedFile | undefined {
  const fingerprint = fingerprintOf(statsAt(done, at));
  const isSame = fingerprint.content === file.fingerprint.content && inodeOf(fingerprint) === inodeOf(file.fingerprint);
  return isSame && done.outcomes[at] === DONE ? { ...file, fingerprint, batch } : undefined;
}

interface Refused {
  readonly file: SettledFile;
  readonly why: Refusal;
}

/** Files whose folders are there, and how they are reached through them. */
interface Found {
  readonly files: readonly SettledFile[];
  readonly paths: PackedPaths;
}

function findAll(folders: SourceFolders, files: readonly SettledFile[], refused: Refused[]): Found {
  const packer = new PathPacker();
  const found = files.filter((file) => {
    try {
      packer.add(folders.get(file.folder).path, file.path, nameStart(file.folder));
      return true;
    } catch (error) {
      refuseReading(file, codeOf(error), refused);
      return false;
    }
  });
  return { files: found, paths: packer.pack() };
}

/** @param fds the files, open, to be synced and closed @returns those that can be read */
function openAll({ files, paths }: Found, fds: number[], refused: Refused[]): SettledFile[] {
  return files.filter((file, at) => {
    try {
      const fd = openFile(pathAt(paths, at));
      if (fd !== undefined) fds.push(fd);
      return fd !== undefined;
    } catch (error) {
      refuseReading(file, codeOf(error), refused);
      return false;
    }
  });
}

/** @returns those that can be read */
async function tryAll({ files, paths }: Found, calls: ClaimCalls, refused: Refused[]): Promise<SettledFile[]> {
  const outcomes = await calls.tryToRead(paths);
  return files.filter((file, at) => {
    const outcome = outcomes[at]!;
    if (outcome < 0) refuseReading(file, getSystemErrorName(outcome), refused);
    return outcome === DONE;
  });
}

function refuseReading(file: SettledFile, code: string, refused: Refused[]): void {
  // ENXIO: a socket took its place.
  if (!VANISHED.has(code) && code !== 'ENXIO') refused.push({ file, why: { step: 'read', code } });
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';

async function syncEach(fds: readonly number[], folders: readonly FolderHandle[]): Promise<void> {
  await Promise.all(fds.map((fd) => fdatasyncAsync(fd)));
  await Promise.all(folders.map((folder) => folder.sync()));
}

function removeMarker(source: FolderHandle, { path, folder }: SettledFile, marker: string): void {
  try {
    unlinkSync(source.child(Buffer.concat([path, Buffer.from(marker)]), nameStart(folder)));
  } catch {
    // It is gone, or somebody else's: it says no more than that the next file of that name is whole at once.
  }
}
