import { createReadStream } from 'node:fs';
import { Parser, type ReadEntry } from 'tar';
import { TransferError } from '../domain/errors';
import { refusedArchive, type UnpackedFolder } from './unpacked-folder';

const FILES: ReadonlySet<string> = new Set(['File', 'OldFile', 'ContiguousFile']);

/** @param file path of the archive, packed by gzip or not @throws TransferError ARCHIVE_REFUSED, NO_ROOM, DISK_FAILED, STOPPING */
export async function unpackTar(file: string, into: UnpackedFolder): Promise<void> {
  const source = createReadStream(file);
  try {
    await new Promise<void>((resolve, reject) => {
      const parser = new Parser({ strict: true });
      let unpacking: Promise<void> = Promise.resolve();
      // The next entry comes when this one has been read to its end.
      parser.on('entry', (entry: ReadEntry) => {
        unpacking = unpackEntry(entry, into);
        unpacking.catch(reject);
      });
      parser.on('error', reject);
      parser.on('end', () => void unpacking.then(resolve));
      source.on('error', reject);
      source.pipe(parser as unknown as NodeJS.WritableStream);
    });
  } catch (error) {
    throw error instanceof TransferError
      ? error
      : refusedArchive(`it is no sound tar (${(error as Error).message})`, error);
  } finally {
    source.destroy();
  }
}

async function unpackEntry(entry: ReadEntry, into: UnpackedFolder): Promise<void> {
  if (entry.type === 'Directory') {
    entry.resume(); // made with its files
    return;
  }
  if (!FILES.has(entry.type))
    throw refusedArchive(`its ${JSON.stringify(entry.path.slice(0, 100))} is a link or a device (${entry.type})`);
  await into.add(entry.path, entry.mode, entry as AsyncIterable<Buffer>);
}
