import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { Parser, type ReadEntry } from 'tar';
import { TransferError } from '../domain/errors';
import { refusedArchive, type UnpackedFolder } from './unpacked-folder';

const FILES: ReadonlySet<string> = new Set(['File', 'OldFile', 'ContiguousFile']);

/** How tar calls the map of a sparse file in the posix format. */
const SPARSE = /(?:^|\/)GNUSparseFile\.\d+\//;

/** @param file path of the archive, packed by gzip or not @throws TransferError ARCHIVE_REFUSED, NO_ROOM, DISK_FAILED, STOPPING */
export async function unpackTar(file: string, into: UnpackedFolder): Promise<void> {
  const source = createReadStream(file);
  const parser = new Parser({ strict: true });
  let unpacking: Promise<void> = Promise.resolve();
  let current: Readable | undefined;
  let failure: unknown;
  const ended = new Promise<void>((resolve) => {
    const fail = (error: unknown): void => {
      failure ??= error;
      source.destroy();
      current?.destroy(error as Error); // whoever reads it would wait for ever
      resolve();
    };
    parser.on('entry', (entry: ReadEntry) => {
      // An empty entry does not hold up the next one, which then comes while it is still being made.
      unpacking = unpacking.then(async () => {
        if (failure !== undefined) return;
        current = new Readable().wrap(entry as unknown as NodeJS.ReadableStream).on('error', () => undefined);
        await unpackEntry(entry, current, into).catch(fail);
      });
    });
    // What the parser does not understand it leaves out: a sparse file would be missing without a word.
    parser.on('ignoredEntry', (entry: ReadEntry) => fail(refusedKind(entry)));
    parser.on('error', fail);
    parser.on('end', resolve);
    source.on('error', fail);
    source.pipe(parser as unknown as NodeJS.WritableStream);
  });
  await ended;
  await unpacking;
  source.destroy();
  if (failure === undefined) return;
  throw failure instanceof TransferError
    ? failure
    : refusedArchive(`it is no sound tar (${(failure as Error).message})`, failure);
}

async function unpackEntry(entry: ReadEntry, content: Readable, into: UnpackedFolder): Promise<void> {
  if (entry.type === 'Directory')
    content.resume(); // made with its files
  else if (FILES.has(entry.type) && !SPARSE.test(entry.path)) await into.add(entry.path, entry.mode, content);
  else throw refusedKind(entry);
}

const refusedKind = ({ path, type }: ReadEntry): TransferError =>
  refusedArchive(
    `its ${JSON.stringify(path.slice(0, 100))} is a link, a device or a sparse file (${type}), and only plain files are taken`,
  );
