import { type BigIntStats, type Dir, lstatSync, opendirSync } from 'node:fs';

export interface FoundFile {
  /** Relative to the outbox, as on disk. */
  readonly path: Buffer;
  readonly stats: BigIntStats;
}

/** A folder below the outbox that could not be read; the others go on. */
export interface UnreadableFolder {
  readonly path: Buffer;
  readonly cause: NodeJS.ErrnoException;
}

const SLASH = Buffer.from('/');

/**
 * All regular files below a folder, one at a time, so that a huge folder never lies in memory. Links, sockets, FIFOs
 * and devices are passed over. Synchronous: a thread-pool trip per file costs ten times the look itself; the caller
 * lets others run between entries, each of which yields, if only undefined.
 */
export function* walkFolder(folder: Buffer): Generator<FoundFile | UnreadableFolder | undefined> {
  const waiting: Buffer[] = [Buffer.alloc(0)];
  for (let relative = waiting.pop(); relative !== undefined; relative = waiting.pop()) {
    let dir: Dir;
    try {
      dir = openByBytes(relative.length === 0 ? folder : Buffer.concat([folder, SLASH, relative]));
    } catch (cause) {
      yield { path: relative, cause: cause as NodeJS.ErrnoException };
      continue;
    }
    try {
      for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) {
        const name = entry.name as unknown as Buffer;
        const path = relative.length === 0 ? name : Buffer.concat([relative, SLASH, name]);
        if (entry.isDirectory()) waiting.push(path);
        else if (entry.isFile() || isUntyped(entry)) {
          const stats = lstatSync(Buffer.concat([folder, SLASH, path]), { bigint: true, throwIfNoEntry: false });
          if (stats?.isFile()) yield { path, stats };
          else if (stats?.isDirectory()) waiting.push(path); // some file systems do not tell the type with the name
        }
        yield undefined;
      }
    } catch (cause) {
      yield { path: relative, cause: cause as NodeJS.ErrnoException };
    } finally {
      dir.closeSync();
    }
  }
}

/** Names are bytes; the typings know only strings here. */
const openByBytes = (path: Buffer): Dir =>
  opendirSync(path as unknown as string, { encoding: 'buffer' as BufferEncoding, bufferSize: 256 });

const isUntyped = (entry: {
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
}): boolean =>
  !(entry.isSymbolicLink() || entry.isFIFO() || entry.isSocket() || entry.isBlockDevice() || entry.isCharacterDevice());
