import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
} from 'node:fs';
import { promisify } from 'node:util';

const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY;
const NO_LINK = FLAGS | constants.O_NOFOLLOW;
const SLASH = Buffer.from('/');
const fsyncAsync = promisify(fsync);

/**
 * An open folder. Its entries are reached through the handle, so that a folder swapped for a symlink meanwhile leads
 * nowhere: what is touched lies in the folder that was opened. Names are bytes.
 */
export class FolderHandle {
  readonly #fd: number;
  readonly #base: Buffer;

  private constructor(fd: number) {
    this.#fd = fd;
    this.#base = Buffer.from(`/proc/self/fd/${fd}/`);
  }

  /** @param path absolute and trusted: it comes from the configuration, and may be a symlink @throws the system's error */
  static open(path: Buffer | string): FolderHandle {
    return new FolderHandle(openSync(path, FLAGS));
  }

  /** A folder below, by a path of names; each is opened from the one before. @throws ENOTDIR, ELOOP for a symlink, ENOENT */
  openBelow(relative: Buffer): FolderHandle {
    let at: FolderHandle | undefined;
    for (const name of namesOf(relative)) {
      try {
        const next = (at ?? this).openChild(name);
        at?.close();
        at = next;
      } catch (error) {
        at?.close();
        throw error;
      }
    }
    return at ?? new FolderHandle(openSync(this.#base, FLAGS));
  }

  openChild(name: Buffer): FolderHandle {
    return new FolderHandle(openSync(this.child(name), NO_LINK));
  }

  /** @param mode whatever the umask */
  makeChild(name: Buffer, mode = 0o700): FolderHandle {
    mkdirSync(this.child(name), { mode });
    const child = this.openChild(name);
    if (mode !== 0o700) fchmodSync(child.#fd, mode);
    return child;
  }

  /** Its permissions. */
  get mode(): number {
    return fstatSync(this.#fd).mode & 0o777;
  }

  /** A path for system calls, good as long as the handle is open. */
  get path(): Buffer {
    return this.#base;
  }

  /** @param from where the name begins */
  child(name: Buffer | string, from = 0): Buffer {
    const path = Buffer.allocUnsafe(this.#base.length + Buffer.byteLength(name) - from);
    this.#base.copy(path);
    if (typeof name === 'string') path.write(name, this.#base.length);
    else name.copy(path, this.#base.length, from);
    return path;
  }

  /** @param from where the name begins @returns undefined when there is no such entry */
  findEntry(name: Buffer, from = 0): BigIntStats | undefined {
    return lstatSync(this.child(name, from), { bigint: true, throwIfNoEntry: false });
  }

  /** The names in it, made durable. */
  sync(): Promise<void> {
    return fsyncAsync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** `a/b/c` → `a/b` and `c`. */
export function splitPath(path: Buffer): { readonly folder: Buffer; readonly name: Buffer } {
  const at = path.lastIndexOf(SLASH);
  return at < 0
    ? { folder: Buffer.alloc(0), name: path }
    : { folder: path.subarray(0, at), name: path.subarray(at + 1) };
}

/** Where the names begin of what lies in a folder. */
export const nameStart = (folder: Buffer): number => (folder.length === 0 ? 0 : folder.length + 1);

export const joinPath = (folder: Buffer, name: Buffer): Buffer =>
  folder.length === 0 ? name : Buffer.concat([folder, SLASH, name]);

function namesOf(path: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let rest = path; rest.length > 0; ) {
    const at = rest.indexOf(SLASH);
    names.push(at < 0 ? rest : rest.subarray(0, at));
    rest = at < 0 ? Buffer.alloc(0) : rest.subarray(at + 1);
  }
  return names;
}
