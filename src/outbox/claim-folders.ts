import { rmdirSync } from 'node:fs';
import { FolderHandle, joinPath, splitPath } from '../custody/folder-handle';
import type { Spool } from '../custody/spool';

/** The producer's folders that a batch comes from, each opened once, name by name. */
export class SourceFolders {
  readonly #open = new Map<string, FolderHandle>();
  /** Mostly the next file is in the same. */
  #last: { readonly path: Buffer; readonly folder: FolderHandle } | undefined;

  constructor(private readonly root: FolderHandle) {}

  get(path: Buffer): FolderHandle {
    if (this.#last?.path.equals(path) === true) return this.#last.folder;
    const name = path.toString('latin1');
    let folder = this.#open.get(name);
    if (folder === undefined) {
      folder = this.root.openBelow(path);
      this.#open.set(name, folder);
    }
    this.#last = { path, folder };
    return folder;
  }

  opened(): FolderHandle[] {
    return [...this.#open.values()];
  }

  /** The deepest first; a folder that still holds something refuses by itself. */
  pruneEmpty(): void {
    for (const path of [...this.#open.keys()].sort((a, b) => b.length - a.length)) {
      for (let at = Buffer.from(path, 'latin1'); at.length > 0; at = Buffer.from(splitPath(at).folder)) {
        if (!this.#removeFolder(at)) break;
      }
    }
  }

  #removeFolder(path: Buffer): boolean {
    const { folder, name } = splitPath(path);
    try {
      rmdirSync(this.get(folder).child(name));
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    for (const folder of this.#open.values()) folder.close();
  }
}

/** The folders of one batch, made as they are needed. */
export class BatchFolders {
  readonly batch: number;
  readonly #made = new Map<string, FolderHandle>();
  #last: { readonly path: Buffer; readonly folder: FolderHandle } | undefined;

  constructor(
    private readonly spool: Spool,
    nextBatch: () => number,
    /** All that the batch's names hang on. */
    private readonly opened: FolderHandle[],
  ) {
    const { batch, folder } = createBatch(spool, nextBatch);
    this.batch = batch;
    this.#made.set('', folder);
    opened.push(folder);
    opened.push(FolderHandle.open(spool.folder));
  }

  get(path: Buffer): FolderHandle {
    if (this.#last?.path.equals(path) === true) return this.#last.folder;
    const key = path.toString('latin1');
    let made = this.#made.get(key);
    if (made === undefined) {
      const { folder, name } = splitPath(path);
      made = this.get(folder).makeChild(name);
      this.#made.set(key, made);
      this.opened.push(made);
    }
    this.#last = { path, folder: made };
    return made;
  }

  /** Nothing came of it. */
  removeEmpty(): void {
    for (const folder of this.#made.keys())
      this.spool.removeEmpty(this.batch, joinPath(Buffer.from(folder, 'latin1'), Buffer.from('x')));
  }
}

function createBatch(spool: Spool, nextBatch: () => number): { batch: number; folder: FolderHandle } {
  for (;;) {
    const batch = nextBatch();
    try {
      return { batch, folder: spool.createBatch(batch) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // a batch is never shared
    }
  }
}
