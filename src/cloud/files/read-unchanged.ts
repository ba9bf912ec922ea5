import { type Stats, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CloudError } from '../cloud-error';
import { cannotRead, type LocalFile, quoted, versionOf } from './local-files';

const CHUNK_BYTES = 1024 * 1024;

/**
 * The bytes of a file as it was when it was looked at. They are of use when it has come to its end, and not before.
 * @throws CloudError when it has changed or vanished since, or meanwhile; at the latest behind the last byte
 */
export async function* readUnchanged(file: LocalFile): AsyncGenerator<Buffer, void, void> {
  const handle = await orExplain(file, () => open(file.path, 'r'));
  try {
    check(file, await handle.stat());
    yield* chunksOf(file, handle);
    // By its name, which may be another file's by now.
    check(file, await orExplain(file, async () => statSync(file.path)));
  } finally {
    await handle.close();
  }
}

async function* chunksOf(file: LocalFile, handle: FileHandle): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; at < file.sizeBytes; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, file.sizeBytes - at));
    const { bytesRead } = await orExplain(file, () => handle.read(buffer, 0, buffer.length, at));
    if (bytesRead === 0) throw changed(file);
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function check(file: LocalFile, stats: Stats): void {
  if (versionOf(stats) !== file.version) throw changed(file);
}

const changed = ({ path }: LocalFile): CloudError =>
  new CloudError(
    `${quoted(path)} has changed while it was read; nothing of it was sent: do it again when it is finished`,
  );

async function orExplain<T>({ path }: LocalFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CloudError(
      code === 'ENOENT'
        ? `${quoted(path)} has vanished while it was read; nothing of it was sent: do it again when it is there`
        : cannotRead(path, error),
    );
  }
}
