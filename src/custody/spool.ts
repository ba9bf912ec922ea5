import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FolderHandle } from './folder-handle';

const BATCH = /^\d{10}$/;
const TRIAL = '.courier-trial';
/** Errors of a trial that say nothing about the place: a full disk has to be emptied all the same. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Where claimed files wait: `<spool>/<batch>/<path in the outbox>`, batches numbered with ten digits in the order of
 * their claims. A name occurs once per batch, so that two versions under one name lie side by side.
 */
export class Spool {
  private constructor(
    /** Absolute. */
    readonly folder: string,
    /** Whether files of the outbox can be renamed into it; otherwise it is only emptied. */
    readonly takesFiles: boolean,
    /** A sentence where it lies in the outbox itself, for lack of a better place. */
    readonly warning: string | undefined,
  ) {}

  /**
   * The first place that a file of the outbox can be renamed into: the state folder, beside the outbox, inside it; but
   * one that holds batches already goes before the others.
   * @param wanted whether files are to be claimed at all
   * @returns undefined when there is none: then files are sent where they lie
   */
  static locate(outbox: string, stateFolder: string, wanted: boolean): Spool | undefined {
    const inside = join(outbox, '.courier');
    const places = [stateFolder, join(dirname(outbox), `.${basename(outbox)}.courier`), inside];
    const used = places.find((place) => batchesIn(place).length > 0 && isOurs(place));
    if (used !== undefined)
      return new Spool(used, isReachedByRename(outbox, used), warningFor(used === inside, outbox));
    if (!wanted) return undefined;
    const place = places.find((one) => isReachedByRename(outbox, one));
    return place === undefined ? undefined : new Spool(place, true, warningFor(place === inside, outbox));
  }

  /** In order. */
  batches(): number[] {
    return batchesIn(this.folder);
  }

  /** Fails when it is there already: two daemons on one spool would mix their files. */
  createBatch(batch: number): FolderHandle {
    const path = this.batchPath(batch);
    const made = mkdirSync(this.folder, { recursive: true, mode: 0o700 }); // somebody may have cleared it away
    if (made !== undefined) syncParent(made);
    mkdirSync(path, { mode: 0o700 });
    return FolderHandle.open(path);
  }

  /** Which batches there are, made durable. */
  async sync(): Promise<void> {
    const folder = FolderHandle.open(this.folder);
    try {
      await folder.sync();
    } finally {
      folder.close();
    }
  }

  batchPath(batch: number): string {
    return join(this.folder, String(batch).padStart(10, '0'));
  }

  filePath(batch: number, path: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.batchPath(batch)}/`), path]);
  }

  /** Removes the folders above `path` as far as they are empty. @returns whether the whole batch is gone */
  removeEmpty(batch: number, path: Buffer): boolean {
    const root = Buffer.from(this.batchPath(batch));
    let folder = this.filePath(batch, path);
    do {
      folder = folder.subarray(0, folder.lastIndexOf('/'));
      try {
        rmdirSync(folder);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') continue; // by an earlier call
        return false;
      }
    } while (folder.length > root.length);
    return true;
  }
}

/** Whether claimed files lie in a state folder. */
export function holdsFiles(stateDir: string): boolean {
  const spools = join(stateDir, 'spool');
  return namesIn(spools).some((name) => batchesIn(join(spools, name)).length > 0);
}

function batchesIn(folder: string): number[] {
  return namesIn(folder)
    .filter((name) => BATCH.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

const warningFor = (isInside: boolean, outbox: string): string | undefined =>
  isInside
    ? `files of ${outbox} wait in ${join(outbox, '.courier')}, because no folder beside it can be used; a program that clears the outbox would clear them too, so let the daemon's user write to ${dirname(outbox)}`
    : undefined;

/** Only the attempt tells: a bind mount has the same device number and refuses all the same. */
function isReachedByRename(outbox: string, place: string): boolean {
  const trial = join(outbox, TRIAL);
  const target = join(place, TRIAL);
  let made: string | undefined;
  try {
    removeIfThere(trial); // left by a kill: it would be taken for a refusal
    made = mkdirSync(place, { recursive: true, mode: 0o700 });
    if (!isOurs(place)) return false;
    writeFileSync(trial, '', { flag: 'wx', mode: 0o600 });
    renameSync(trial, target);
    if (made !== undefined) syncParent(made);
    return true;
  } catch (error) {
    if (FULL.has((error as NodeJS.ErrnoException).code ?? '')) return isOnOneDevice(outbox, place);
    if (made !== undefined) rmSync(made, { recursive: true, force: true });
    return false;
  } finally {
    removeIfThere(trial);
    removeIfThere(target);
  }
}

/** Somebody who may write beside the outbox must not choose where its files go. */
function isOurs(place: string): boolean {
  const stats = lstatSync(place);
  return stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & 0o022) === 0;
}

function isOnOneDevice(outbox: string, place: string): boolean {
  let at = place;
  while (!existsSync(at)) at = dirname(at);
  return statSync(at).dev === statSync(outbox).dev;
}

function removeIfThere(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // it was not made
  }
}

function syncParent(folder: string): void {
  const fd = openSync(dirname(folder), 'r');
  fsyncSync(fd);
  closeSync(fd);
}
