import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { FolderHandle, splitPath } from '../custody/folder-handle';

/** Where a file lies: its path, as on disk, below a folder that is trusted. */
export interface FilePlace {
  readonly root: string;
  readonly path: Buffer;
}

/** An open file, read at offsets. */
export interface OpenFile {
  stat(): Promise<BigIntStats> | BigIntStats;
  /** @returns bytes read, 0 at the end */
  read(buffer: Buffer, filled: number, position: number): Promise<number> | number;
  close(): Promise<void> | void;
}

/** Symlinks are not followed, and a FIFO put in a file's place must not hang the open. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Up to this size a file is read at once, on the spot: five trips to the thread pool cost more than the whole
 * upload's signature, and one read of so few bytes blocks no longer than a page fault.
 */
const ON_THE_SPOT_BYTES = 64 * 1024;

/**
 * No folder on the way may be a link: one put there since the file was queued must not lead us to a file of others.
 * @param expectedBytes what the ledger says @throws the system's error
 */
export async function openFile({ root, path }: FilePlace, expectedBytes: number): Promise<OpenFile> {
  const { folder, name } = splitPath(path);
  if (folder.length === 0) return openAt(Buffer.concat([Buffer.from(`${root}/`), name]), expectedBytes);
  const top = FolderHandle.open(root);
  let handle: FolderHandle;
  try {
    handle = top.openBelow(folder);
  } finally {
    top.close();
  }
  try {
    return await openAt(handle.child(name), expectedBytes);
  } finally {
    handle.close();
  }
}

async function openAt(file: Buffer, expectedBytes: number): Promise<OpenFile> {
  if (expectedBytes <= ON_THE_SPOT_BYTES) {
    const fd = openSync(file, FLAGS);
    return {
      stat: () => fstatSync(fd, { bigint: true }),
      read: (buffer, filled, position) => readSync(fd, buffer, filled, buffer.length - filled, position),
      close: () => closeSync(fd),
    };
  }
  const handle = await open(file, FLAGS);
  return {
    stat: () => handle.stat({ bigint: true }),
    read: async (buffer, filled, position) =>
      (await handle.read(buffer, filled, buffer.length - filled, position)).bytesRead,
    close: () => handle.close(),
  };
}
