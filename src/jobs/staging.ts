import { lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { FolderHandle } from '../custody/folder-handle';
import { syncFileSystem } from '../custody/sync-file-system';
import { TEMPORARY_PREFIX } from '../domain/local-path';
import { asDiskError } from '../download/disk-error';

const PREFIX = `${TEMPORARY_PREFIX}job-`;

/**
 * Where a job's files wait until all of them are there: a folder of ours in the one they land in, hence a rename away.
 * `<number>` is a file as it came, `<number>.d` an archive's content.
 */
export class Staging {
  private constructor(
    /** Absolute. */
    readonly path: string,
    private readonly handle: FolderHandle,
    private readonly parent: FolderHandle,
  ) {}

  /** @param folder the jobs', absolute @throws TransferError DISK_FAILED, NO_ROOM */
  static open(folder: string, job: number): Staging {
    const path = `${folder}/${PREFIX}${job}`;
    let parent: FolderHandle | undefined;
    try {
      parent = FolderHandle.open(folder);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      return new Staging(path, parent.openChild(Buffer.from(`${PREFIX}${job}`)), parent);
    } catch (error) {
      parent?.close();
      throw asDiskError(error, path);
    }
  }

  /** Of jobs that nobody remembers. @param jobs those that are known */
  static sweep(folder: string, jobs: readonly number[]): void {
    const known = new Set(jobs.map((job) => `${PREFIX}${job}`));
    for (const name of namesIn(folder)) if (name.startsWith(PREFIX) && !known.has(name)) removeAll(`${folder}/${name}`);
  }

  static discard(folder: string, job: number): void {
    removeAll(`${folder}/${PREFIX}${job}`);
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

  tree(number: number): string {
    return `${this.path}/${number}.d`;
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

  /** An empty folder for an archive's content. */
  makeTree(number: number): string {
    const tree = this.tree(number);
    rmSync(tree, { recursive: true, force: true });
    mkdirSync(tree, { mode: 0o700 });
    return tree;
  }

  /** Data and names of whatever is in it, made durable; files that came one by one are already. */
  async sync(hasTrees: boolean): Promise<void> {
    if (hasTrees) await syncFileSystem(this.path);
    await this.handle.sync();
    await this.parent.sync();
  }

  close(): void {
    this.handle.close();
    this.parent.close();
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // whoever needs it says why
  }
}

/** What a disk does not let go now goes with a later sweep: no reason to end anything. */
export function removeAll(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // it stays for now
  }
}
