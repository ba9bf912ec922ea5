import { PassThrough, pipeline } from 'node:stream';
import { type Entry, openPromise } from 'yauzl';
import { crc32 } from '../domain/crc32';
import { TransferError } from '../domain/errors';
import { refusedArchive, type UnpackedFolder } from './unpacked-folder';

const TYPE = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;
const UNIX = 3;

/** @param file path of the archive @throws TransferError ARCHIVE_REFUSED, NO_ROOM, DISK_FAILED, STOPPING */
export async function unpackZip(file: string, into: UnpackedFolder): Promise<void> {
  try {
    const zip = await openPromise(file, { strictFileNames: true });
    try {
      for await (const entry of zip.eachEntry()) {
        const { isFolder, mode } = kindOf(entry);
        if (isFolder) continue; // made with its files
        if (entry.isEncrypted()) throw refusedArchive('it is encrypted');
        // Its errors may come before anybody reads, or when nobody does any more: a stream of ours keeps them.
        const content = pipeline(await zip.openReadStreamPromise(entry), new PassThrough(), () => undefined);
        try {
          await into.add(entry.fileName, mode, checked(content, entry));
        } finally {
          content.destroy(); // it holds the archive open until somebody has read it
        }
      }
    } finally {
      zip.close();
    }
  } catch (error) {
    throw error instanceof TransferError
      ? error
      : refusedArchive(`it is no sound zip (${(error as Error).message})`, error);
  }
}

function kindOf({ fileName, versionMadeBy, externalFileAttributes }: Entry): {
  isFolder: boolean;
  mode: number | undefined;
} {
  const attributes = versionMadeBy >>> 8 === UNIX ? externalFileAttributes >>> 16 : 0;
  const type = attributes & TYPE;
  if (fileName.endsWith('/')) return { isFolder: true, mode: undefined };
  if (type !== 0 && type !== REGULAR && type !== FOLDER)
    throw refusedArchive(`its ${JSON.stringify(fileName.slice(0, 100))} is a link or a device`);
  return { isFolder: type === FOLDER, mode: type === REGULAR ? attributes & 0o777 : undefined };
}

async function* checked(content: AsyncIterable<Buffer>, entry: Entry): AsyncIterable<Buffer> {
  let sum = 0;
  for await (const bytes of content) {
    sum = crc32(bytes, sum);
    yield bytes;
  }
  if (sum !== entry.crc32) throw refusedArchive(`its ${JSON.stringify(entry.fileName.slice(0, 100))} is damaged`);
}
