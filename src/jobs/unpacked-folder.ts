import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type FolderHandle, splitPath } from '../custody/folder-handle';
import { TransferError } from '../domain/errors';
import { localPathOf } from '../domain/local-path';
import { asDiskError } from '../download/disk-error';
import { freeBytes } from '../download/room';

export interface UnpackLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

const KEEP_FREE_BYTES = 16 * 1024 * 1024;
const LOOK_EVERY_BYTES = 16 * 1024 * 1024;
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * An empty folder of ours that an archive's files come into. Each name passes the one function from remote names to
 * paths; nothing but files and their folders is made, by handle, and no more than the limits allow, whatever the
 * archive says.
 */
export class UnpackedFolder {
  #files = 0;
  #bytes = 0;
  #unlooked = Number.POSITIVE_INFINITY;

  constructor(
    /** Open while files are added. */
    private readonly root: FolderHandle,
    private readonly limits: UnpackLimits,
    private readonly defaultMode: number,
    private readonly signal: AbortSignal,
  ) {}

  get files(): number {
    return this.#files;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param mode permissions, where the archive has them @throws TransferError ARCHIVE_REFUSED, NO_ROOM, DISK_FAILED */
  async add(name: string, mode: number | undefined, content: AsyncIterable<Buffer>): Promise<void> {
    const local = localPathOf(name.replace(/^(?:\.\/)+/, ''));
    if ('refused' in local) throw refusedArchive(`its ${shown(name)} cannot be a file here: ${local.refused}`);
    if (++this.#files > this.limits.maxFiles) throw refusedArchive(`it holds more than ${this.limits.maxFiles} files`);
    const path = Buffer.from(local.path);
    let handle: FileHandle;
    try {
      handle = await this.#create(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR')
        throw refusedArchive(`it holds ${shown(name)} twice, or as a file and as a folder`, error);
      throw asDiskError(error, path);
    }
    try {
      for await (const bytes of sound(content)) await this.#write(handle, bytes);
      await handle.chmod(mode === undefined ? this.defaultMode : mode & 0o777);
    } catch (error) {
      throw asDiskError(error, path);
    } finally {
      await handle.close();
    }
  }

  async #create(path: Buffer): Promise<FileHandle> {
    const { folder, name } = splitPath(path);
    const below = openOrMake(this.root, folder);
    try {
      return await open(below.child(name), FLAGS, 0o600);
    } finally {
      below.close();
    }
  }

  async #write(handle: FileHandle, bytes: Buffer): Promise<void> {
    if (this.signal.aborted) throw new TransferError('STOPPING', 'stopping');
    this.#bytes += bytes.length;
    this.#unlooked += bytes.length;
    if (this.#bytes > this.limits.maxBytes)
      throw refusedArchive(`it unpacks to more than the ${this.limits.maxBytes} bytes of jobs.unpackMaxBytes`);
    if (this.#unlooked >= LOOK_EVERY_BYTES) {
      this.#unlooked = 0;
      const free = await freeBytes(this.root.path);
      if (free < KEEP_FREE_BYTES + LOOK_EVERY_BYTES)
        throw new TransferError('NO_ROOM', `the disk has only ${free} bytes left to unpack into; free some space`);
    }
    for (let written = 0; written < bytes.length; )
      written += (await handle.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}

/** Their modes say nothing: files land in folders that are made there. */
function openOrMake(root: FolderHandle, path: Buffer): FolderHandle {
  try {
    return root.openBelow(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const { folder, name } = splitPath(path);
  const parent = openOrMake(root, folder);
  try {
    return parent.makeChild(name);
  } finally {
    parent.close();
  }
}

/** What goes wrong in an archive is not the disk's. */
async function* sound(content: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  try {
    yield* content;
  } catch (error) {
    throw error instanceof TransferError ? error : refusedArchive(`it is damaged (${(error as Error).message})`, error);
  }
}

export const refusedArchive = (why: string, cause?: unknown): TransferError =>
  new TransferError('ARCHIVE_REFUSED', `the archive is not unpacked: ${why}; pack it anew`, { cause });

const shown = (name: string): string => JSON.stringify(name.slice(0, 100));
