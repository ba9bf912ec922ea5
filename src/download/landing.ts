import { accessSync, constants, linkSync, lstatSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { FolderHandle, splitPath } from '../custody/folder-handle';
import { TransferError } from '../domain/errors';
import { TEMPORARY_PREFIX } from '../domain/local-path';
import { asDiskError } from './disk-error';
import { hasContent, type WholeFile } from './whole-file';

export type OnExisting = 'overwrite' | 'rename' | 'skip';

/** The folder that a file comes into, opened name by name: a symlink on the way leads nowhere. */
export class Landing {
  private readonly folder: FolderHandle;
  private readonly temporaryName: Buffer;
  /** Temporary, beside the file to be: a rename within one file system. */
  readonly temporary: Buffer;

  private constructor(
    /** From the root down to the one that the file comes into. */
    private readonly folders: readonly FolderHandle[],
    private readonly name: Buffer,
    id: string,
    /** For a person. */
    private readonly shown: string,
  ) {
    this.folder = folders.at(-1)!;
    this.temporaryName = Buffer.from(`${TEMPORARY_PREFIX}${id}`);
    this.temporary = this.folder.child(this.temporaryName);
  }

  /**
   * Makes the folders above it.
   * @param root absolute, of the configuration
   * @param path relative, from `localPathOf`
   * @param id tells our temporary file from any other's
   * @throws TransferError PATH_REFUSED, DISK_FAILED
   */
  static open(root: string, path: string, id: string): Landing {
    const { folder, name } = splitPath(Buffer.from(path));
    const folders: FolderHandle[] = [];
    try {
      folders.push(FolderHandle.open(root));
    } catch (error) {
      throw asDiskError(error, `${root}/`);
    }
    try {
      for (const one of folder.toString().split('/').filter(Boolean))
        folders.push(openOrMake(folders.at(-1)!, Buffer.from(one)));
      return new Landing(folders, name, id, `${root}/${path}`);
    } catch (error) {
      for (const each of folders) each.close();
      throw explain(error, root, path);
    }
  }

  /** As the folder lets others in, so the file: 0755 gives 0644, 0700 gives 0600. */
  get defaultMode(): number {
    return this.folder.mode & 0o666;
  }

  /** What is there under that name. */
  find(name: Buffer = this.name): { readonly inode: string } | undefined {
    const stats = lstatSync(this.folder.child(name), { bigint: true, throwIfNoEntry: false });
    return stats === undefined ? undefined : { inode: String(stats.ino) };
  }

  /**
   * Gives the temporary file its name.
   * @returns the name it has got; undefined when the name is taken and is to stay
   * @throws TransferError PATH_REFUSED, DISK_FAILED
   */
  land(onExisting: OnExisting): Buffer | undefined {
    try {
      if (onExisting === 'overwrite') {
        renameSync(this.temporary, this.folder.child(this.name));
        return this.name;
      }
      for (let i = 0; ; i++) {
        const name = i === 0 ? this.name : numbered(this.name, i);
        if (this.#tryLink(name)) return name;
        if (onExisting === 'skip') return undefined;
      }
    } catch (error) {
      throw explain(error, '', this.name.toString());
    }
  }

  /** What would keep `take` from working, found before anything is changed. @param device of the file to be taken */
  check(device: bigint): void {
    const there = this.folder.findEntry(this.name);
    if (there?.isDirectory()) throw explain(Object.assign(new Error(), { code: 'EISDIR' }), '', this.name.toString());
    try {
      accessSync(this.folder.path, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw asDiskError(error, this.shown);
    }
    if (statSync(this.folder.path, { bigint: true }).dev !== device)
      throw new TransferError('PATH_REFUSED', `${this.shown} lies on another file system; choose a path that does not`);
  }

  /** Gives the name to a file of ours in the same file system, over what is there. @throws as `land` */
  take(from: Buffer): void {
    try {
      renameSync(from, this.folder.child(this.name));
    } catch (error) {
      throw explain(error, '', this.name.toString());
    }
  }

  /**
   * Where an earlier attempt has landed the file, before it could be noted. Known by its inode; where that changes over
   * a remount (FAT) by what is in it.
   */
  async findLanded(file: WholeFile): Promise<Buffer | undefined> {
    const temporary = this.find(this.temporaryName);
    const names: Buffer[] = [];
    for (let i = 0; ; i++) {
      const name = i === 0 ? this.name : numbered(this.name, i);
      const found = this.find(name);
      if (found === undefined) break;
      if (found.inode === (temporary?.inode ?? file.inode)) return name; // both: linked, and killed in between
      names.push(name);
    }
    if (temporary !== undefined) return undefined; // landing would have moved it away
    for (const name of names) if (await hasContent(this.folder.child(name), file)) return name;
    return undefined;
  }

  /** Whether the temporary file is the one that was fetched, and still whole. */
  async holds(file: WholeFile): Promise<boolean> {
    const found = this.find(this.temporaryName);
    return found !== undefined && (found.inode === file.inode || (await hasContent(this.temporary, file)));
  }

  /**
   * The file's name and those of its folders, made durable: whoever made a folder may have been killed before, or may
   * just be another landing.
   */
  async sync(): Promise<void> {
    for (const folder of this.folders.toReversed()) await folder.sync();
  }

  discard(): void {
    try {
      unlinkSync(this.temporary);
    } catch {
      // it is not there
    }
  }

  close(): void {
    for (const folder of this.folders) folder.close();
  }

  /** A link refuses a name that is taken, as a rename does not. */
  #tryLink(name: Buffer): boolean {
    try {
      linkSync(this.temporary, this.folder.child(name));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
      if (this.find(name) !== undefined) return false;
      renameSync(this.temporary, this.folder.child(name)); // FAT has no links
      return true;
    }
    unlinkSync(this.temporary);
    return true;
  }
}

/** `a (1).txt` */
function numbered(name: Buffer, i: number): Buffer {
  const text = name.toString();
  const at = text.lastIndexOf('.');
  const [stem, extension] = at > 0 ? [text.slice(0, at), text.slice(at)] : [text, ''];
  return Buffer.from(`${stem} (${i})${extension}`);
}

/** A folder as open to others as the one it is made in. */
function openOrMake(parent: FolderHandle, name: Buffer): FolderHandle {
  try {
    return parent.openChild(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return parent.makeChild(name, parent.mode);
  }
}

function explain(error: unknown, root: string, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOTDIR' || code === 'ELOOP' || code === 'EISDIR' || code === 'EEXIST' || code === 'ENOTEMPTY')
    return new TransferError(
      'PATH_REFUSED',
      `${path} cannot be a file here: a file or a symlink stands where its folder should be, or a folder where it should be; move that away, or rename the object`,
      { cause: error },
    );
  return asDiskError(error, `${root}/`);
}
