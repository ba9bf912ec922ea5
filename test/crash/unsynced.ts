import { type PathLike, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * What a power cut at this moment might take away, of all that goes through handles: data that was written since its
 * file was last synced, and names that came into a folder since that was. By inode, over all lives.
 */
class Unsynced {
  readonly #data = new Set<bigint>();
  /** By folder. */
  readonly #names = new Map<bigint, Set<string>>();
  /** Names that were given to files whose data was not on the disk: a power cut may leave them short. */
  readonly exposed: string[] = [];

  clear(): void {
    this.#data.clear();
    this.#names.clear();
    this.exposed.length = 0;
  }

  named(path: string): void {
    const { ino } = statSync(path, { bigint: true });
    // A new folder may have the number of a file that a life before has left and the next has removed.
    if (statSync(path).isFile() && this.#data.has(ino)) this.exposed.push(basename(path));
    const folder = inodeOf(dirname(path));
    this.#names.set(folder, (this.#names.get(folder) ?? new Set()).add(basename(path)));
  }

  written(file: PathLike): void {
    this.#data.add(inodeOf(file));
  }

  /** What comes while it is synced does not count. */
  async sync(path: PathLike, real: () => Promise<void>): Promise<void> {
    const inode = inodeOf(path);
    const names = [...(this.#names.get(inode) ?? [])];
    await real();
    this.#data.delete(inode);
    for (const name of names) this.#names.get(inode)!.delete(name);
  }

  /** Of all that there is now. @returns when it is synced */
  mark(): () => void {
    const data = [...this.#data];
    const names = [...this.#names].flatMap(([folder, found]) => [...found].map((name) => [folder, name] as const));
    return () => {
      for (const inode of data) this.#data.delete(inode);
      for (const [folder, name] of names) this.#names.get(folder)?.delete(name);
    };
  }

  /** @returns the file, and the names on the way to it, that are not on the disk as they are */
  find(root: string, path: string): string[] {
    const found = this.#data.has(inodeOf(join(root, path))) ? [`the data of ${path}`] : [];
    for (let at = path; at !== '.'; at = dirname(at))
      if (this.#names.get(inodeOf(join(root, dirname(at))))?.has(basename(at))) found.push(`the name ${at}`);
    return found;
  }
}

const inodeOf = (path: PathLike): bigint => statSync(path, { bigint: true }).ino;

export const unsynced = new Unsynced();

/** Files that are written through their handles, which `node:fs/promises` has no class for. */
export async function watchFiles(): Promise<() => void> {
  const handle = await open('/dev/null');
  const handles = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const { write, sync, datasync } = handles;
  const pathOf = ({ fd }: { readonly fd: number }): string => `/proc/self/fd/${fd}`;
  const real = { write, sync, datasync };
  Object.assign(handles, {
    async write(this: typeof handle, ...given: Parameters<typeof write>): Promise<unknown> {
      const written = await write.apply(this, given);
      unsynced.written(pathOf(this));
      return written;
    },
    sync(this: typeof handle): Promise<void> {
      return unsynced.sync(pathOf(this), () => sync.call(this));
    },
    datasync(this: typeof handle): Promise<void> {
      return unsynced.sync(pathOf(this), () => datasync.call(this));
    },
  });
  return () => {
    Object.assign(handles, real);
  };
}
