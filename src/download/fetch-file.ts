import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hasCode, TransferError } from '../domain/errors';
import { asDiskError } from './disk-error';
import { FileDigests } from './file-digests';
import type { RemoteFile, RemoteVersion } from './remote-object';
import { freeBytes } from './room';

export type Verification = 'sha256' | 'crc64nvme' | 'crc32' | 'md5' | 'length';

export interface Fetched {
  /** What it was held to; `length`: the far side knows no checksum of it. */
  readonly verified: Verification;
  readonly crc32: number;
  /** Of the temporary file: after a rename the landed file is known by it. */
  readonly inode: string;
}

export interface FetchOptions {
  readonly mode: number;
  /** Unix milliseconds; undefined: now. */
  readonly mtimeMs: number | undefined;
  /** So many bytes of the file are known to be on disk; what lies behind them is used only within one boot of the device. */
  readonly trustedBytes: number;
  /** Told how many more there are. */
  readonly onBytes: (bytes: number) => void;
  /** So many are on disk now, whatever happens to the power. */
  readonly onDurable: (bytes: number) => Promise<void>;
}

/** Left free on the disk that files land on: it is somebody's root file system. */
const KEEP_FREE_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
const SYNC_EVERY_BYTES = 16 * 1024 * 1024;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Fetches one version into a file, on from the bytes that are there already, verifies it and makes it durable.
 * @param file bytes, in an open folder of ours; what is in it is the beginning of this very version
 * @throws TransferError OBJECT_CHANGED, DOWNLOAD_DAMAGED (the file is emptied), NO_ROOM, DISK_FAILED, and those of the link
 */
export async function fetchFile(
  remote: RemoteFile,
  version: RemoteVersion,
  file: Buffer,
  { mode, mtimeMs, trustedBytes, onBytes, onDurable }: FetchOptions,
  signal: AbortSignal,
): Promise<Fetched> {
  const handle = await open(file, FLAGS, 0o600).catch((error: unknown) => {
    throw asDiskError(error, file);
  });
  try {
    const digests = new FileDigests(version.checksums);
    const have = await readExisting(handle, Math.min(trustedBytes, version.sizeBytes), digests);
    onBytes(have);
    const missing = version.sizeBytes - have;
    const free = await freeBytes(file);
    if (missing > 0 && free < missing + KEEP_FREE_BYTES)
      throw new TransferError(
        'NO_ROOM',
        `it needs another ${missing} bytes, the disk has ${free}, of which ${KEEP_FREE_BYTES} are to stay free; free some space`,
      );
    if (missing > 0) await append(handle, remote, version, have, digests, { onBytes, onDurable }, signal);
    const problem = digests.findProblem();
    if (problem !== undefined) {
      await handle.truncate(0);
      throw new TransferError('DOWNLOAD_DAMAGED', `${problem}; fetching it anew`);
    }
    await handle.chmod(mode);
    if (mtimeMs !== undefined) await handle.utimes(Date.now() / 1000, mtimeMs / 1000);
    await handle.sync();
    const { ino } = await handle.stat({ bigint: true }); // not the device: its number changes over a remount
    return { verified: digests.strongest, crc32: digests.crc32, inode: String(ino) };
  } catch (error) {
    throw asDiskError(error, file);
  } finally {
    await handle.close();
  }
}

/** What was fetched before counts as far as it can be trusted; the rest goes. */
async function readExisting(handle: FileHandle, trustedBytes: number, digests: FileDigests): Promise<number> {
  const size = Math.min((await handle.stat()).size, trustedBytes);
  await handle.truncate(size);
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) break;
    digests.add(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return at;
}

async function append(
  handle: FileHandle,
  remote: RemoteFile,
  version: RemoteVersion,
  from: number,
  digests: FileDigests,
  { onBytes, onDurable }: Pick<FetchOptions, 'onBytes' | 'onDurable'>,
  signal: AbortSignal,
): Promise<void> {
  let at = from;
  let durable = from;
  for await (const bytes of await remote.open(version, from, signal)) {
    if (at + bytes.length > version.sizeBytes)
      throw new TransferError('DOWNLOAD_DAMAGED', `more than its ${version.sizeBytes} bytes came; fetching it anew`);
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, at + written);
      written += bytesWritten;
    }
    digests.add(bytes);
    at += bytes.length;
    onBytes(bytes.length);
    if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
    if (at - durable >= SYNC_EVERY_BYTES) {
      await handle.datasync();
      durable = at;
      await onDurable(durable);
    }
  }
  if (at < version.sizeBytes)
    throw new TransferError('S3_UNREACHABLE', `the answer ended after ${at} of ${version.sizeBytes} bytes`);
}

/** It is not there any more, or another one is: what was fetched is of no use. */
export const isGone = (error: unknown): boolean => hasCode(error, 'OBJECT_CHANGED', 'OBJECT_MISSING');
