import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync, renameSync } from 'node:fs';
import { setImmediate as others } from 'node:timers/promises';
import { syncFileSystem } from '../custody/sync-file-system';
import { type PackedPaths, pathAt } from './packed-paths';

/** The system calls of a batch of claimed files. Paths lead through handles of open folders, which all threads share. */
export interface ClaimCalls {
  /** @returns for each path `DONE`, `OTHER` when it is no file, or the system's error, negative */
  tryToRead(paths: PackedPaths): Promise<Int32Array<ArrayBuffer>>;
  move(from: PackedPaths, to: PackedPaths): Promise<Moved>;
  /** Data and names of all that is below. @throws Error */
  sync(folder: string): Promise<void>;
}

/** What has become of each file of a list, in its order. */
export interface Moved {
  /**
   * `DONE`, `OTHER` when what was moved is no file or does not let itself be looked at, `GONE` when it is there no more,
   * or the system's error, negative: then nothing was moved
   */
  readonly outcomes: Int32Array<ArrayBuffer>;
  /** `dev ino size mtimeNs ctimeNs` of each, as it is after the move. */
  readonly stats: BigInt64Array<ArrayBuffer>;
}

export const DONE = 0;
export const OTHER = 1;
export const GONE = 2;

/** Of a file, as a fingerprint is made of it. */
export type MovedStats = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>;

const FIELDS = 5;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Files between two chances for everything else in the thread. */
const AT_A_TIME = 64;

export function statsAt({ stats }: Moved, at: number): MovedStats {
  const first = at * FIELDS;
  return {
    dev: stats[first]!,
    ino: stats[first + 1]!,
    size: stats[first + 2]!,
    mtimeNs: stats[first + 3]!,
    ctimeNs: stats[first + 4]!,
  };
}

/** The memory of all arrays in what is asked or answered: it goes to the other thread without a copy. */
export function memoryOf(said: unknown): ArrayBuffer[] {
  if (ArrayBuffer.isView(said)) return [said.buffer as ArrayBuffer];
  return typeof said === 'object' && said !== null ? Object.values(said).flatMap(memoryOf) : [];
}

/** To be read, so that none is claimed that could not be sent. @returns undefined when it is no file @throws the system's error */
export function openFile(path: Buffer): number | undefined {
  const fd = openSync(path, READ);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd); // a folder or a FIFO took its place
  return undefined;
}

/** In this thread. Synchronous calls: a trip to the pool costs as much as most of them. */
export const directCalls: ClaimCalls = {
  async tryToRead(paths) {
    const outcomes = new Int32Array(paths.ends.length);
    for (let at = 0; at < outcomes.length; at++) {
      if (at % AT_A_TIME === 0) await others();
      outcomes[at] = errnoOf(() => {
        const fd = openFile(pathAt(paths, at));
        if (fd === undefined) return OTHER;
        closeSync(fd);
        return DONE;
      });
    }
    return outcomes;
  },

  async move(from, to) {
    const count = from.ends.length;
    const moved: Moved = { outcomes: new Int32Array(count), stats: new BigInt64Array(count * FIELDS) };
    for (let at = 0; at < count; at++) {
      if (at % AT_A_TIME === 0) await others();
      const target = pathAt(to, at);
      moved.outcomes[at] = errnoOf(() => {
        renameSync(pathAt(from, at), target);
        return DONE;
      });
      if (moved.outcomes[at] === DONE) moved.outcomes[at] = lookAt(target, moved, at);
    }
    return moved;
  },

  sync: syncFileSystem,
};

function lookAt(path: Buffer, moved: Moved, at: number): number {
  let stats: BigIntStats | undefined;
  try {
    stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return OTHER; // it has left the outbox: whatever ails it, it is in our hands
  }
  if (stats === undefined) return GONE; // somebody clears the spool away
  moved.stats.set([stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs], at * FIELDS);
  return stats.isFile() ? DONE : OTHER;
}

function errnoOf(call: () => number): number {
  try {
    return call();
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error; // not the system's
    return errno;
  }
}
