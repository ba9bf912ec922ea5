import { lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { FolderHandle } from '../custody/folder-handle';
import { syncFileSystem } from '../custody/sync-file-system';
import { TEMPORARY_PREFIX } from '../domain/local-path';
import { asDiskError } from '../download/disk-error';

const PREFIX = `${TEMPORARY_PREFIX}job-`;

/**
 * Where a job's files wait until all of them are there: a folder of ours in the one they land in, hence a rename away.
 * `<number>` is a file as it came, `<number>.d` an archive's content. All of it is reached by handle: who may write to
 * the jobs' folder, too, could swap ours for a symlink.
 */
export class Staging {
  private constructor(
    /** The jobs', absolute. */
    private readonly folder: string,
    private readonly handle: FolderHandle,
    private readonly parent: FolderHandle,
  ) {}

  /** @param folder the jobs', absolute @throws TransferError DISK_FAILED, NO_ROOM */
  static open(folder: string, job: number): Staging {
    const name = `${PREFIX}${job}`;
    let parent: FolderHandle | undefined;
    try {
      parent = FolderHandle.open(folder);
      makeFolder(parent.child(name));
      return new Staging(folder, parent.openChild(Buffer.from(name)), parent);
    } catch (error) {
      parent?.close();
      throw asDiskError(error, `${folder}/${name}`);
    }
  }

  /** Of jobs that nobody remembers. @param jobs those that are known */
  static sweep(folder: string, jobs: readonly number[]): void {
    const known = new Set(jobs.map((job) => `${PREFIX}${job}`));
    for (const name of namesIn(folder)) if (name.startsWith(PREFIX) && !known.has(name)) removeFolder(folder, name);
  }

  static discard(folder: string, job: number): void {
    removeFolder(folder, `${PREFIX}${job}`);
  }

  /** As open to others as the folder itself: 0755 gives 0644. */
  get defaultMode(): number {
    return this.parent.mode & 0o666;
  }

  get device(): bigint {
    return statSync(this.handle.path, { bigint: true }).dev;
  }

  file(number: number): Buffer {
    return this.handle.child(String(number));
  }

  /** Of what an archive held. */
  tree(number: number): Buffer {
    return this.handle.child(treeName(number));
  }

  /** To be closed. @param relative to this one; no symlink on the way @throws the system's error */
  openBelow(relative: Buffer): FolderHandle {
    return this.handle.openBelow(relative);
  }

  has(number: number): boolean {
    return lstatSync(this.file(number), { throwIfNoEntry: false }) !== undefined;
  }

  hasTree(number: number): boolean {
    return lstatSync(this.tree(number), { throwIfNoEntry: false }) !== undefined;
  }

  remove(number: number): void {
    rmSync(this.file(number), { force: true });
  }

  /** An empty folder for an archive's content; to be closed. */
  makeTree(number: number): FolderHandle {
    rmSync(this.tree(number), { recursive: true, force: true });
    return this.handle.makeChild(Buffer.from(treeName(number)));
  }

  /** Data and names of whatever is in it, made durable; files that came one by one are already. */
  async sync(hasTrees: boolean): Promise<void> {
    if (hasTrees) await syncFileSystem(this.folder); // a process of its own knows nothing of our handles
    await this.handle.sync();
    await this.parent.sync();
  }

  close(): void {
    this.handle.close();
    this.parent.close();
  }
}

export const treeName = (number: number): string => `${number}.d`;

function makeFolder(path: Buffer): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // of an attempt before
  }
}

function namesIn(folder: Buffer | string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // whoever needs it says why
  }
}

/** A symlink of that name goes, and what it leads to stays. What stays now goes with a later sweep. */
function removeFolder(folder: string, name: string): void {
  let parent: FolderHandle | undefined;
  try {
    parent = FolderHandle.open(folder);
    const path = parent.child(name);
    if (lstatSync(path).isDirectory()) {
      const handle = parent.openChild(Buffer.from(name));
      for (const each of namesIn(handle.path)) removeAll(handle.child(each));
      handle.close();
      rmdirSync(path);
    } else unlinkSync(path);
  } catch {
    // it is not there, or stays for now
  } finally {
    parent?.close();
  }
}

/** What a disk does not let go now goes with a later sweep: no reason to end anything. */
export function removeAll(path: Buffer | string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // it stays for now
  }
}
