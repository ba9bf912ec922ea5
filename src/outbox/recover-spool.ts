import { setImmediate as others } from 'node:timers/promises';
import { joinPath } from '../custody/folder-handle';
import type { Spool } from '../custody/spool';
import { syncFileSystem } from '../custody/sync-file-system';
import { type FoundFile, walkFolder } from '../custody/walk-folder';
import { compareFingerprints, fingerprintOf } from '../domain/fingerprint';
import { noteForEmpty } from './note-empty';
import type { KnownUpload, QueuedFile, UploadQueue } from './upload-queue';

/**
 * What a file in the spool asks for at a start, its batch having had its rows:
 * - `settle`: it was still written to when the others got theirs, its row speaks of another version, or ended without
 *   delivering it, or found its disk away; by now a newer version may have gone before it
 * - `dispose`: delivered, or a power cut brought it back
 * - `leave`: its row waits
 */
export function decideSpooled(row: KnownUpload | undefined, isSameContent: boolean): 'settle' | 'dispose' | 'leave' {
  switch (row?.state) {
    case 'queued':
    case 'uploading':
      return 'leave';
    case 'failed':
      return row.errorCode === 'SOURCE_MISSING' ? 'settle' : 'leave'; // its disk was away
    case undefined:
    case 'superseded':
      return 'settle';
    case 'done':
      return isSameContent ? 'dispose' : 'settle';
    default:
      return row!.state satisfies never;
  }
}

export interface SpoolFindings {
  readonly onRestless: (batch: number, path: Buffer) => void;
  readonly onDelivered: (id: number) => void;
}

/** Batches whose rows were not made: after a kill the last one, after the loss of the ledger all. In order. @returns files */
export async function enqueueNewBatches(spool: Spool, queue: UploadQueue, signal: AbortSignal): Promise<number> {
  const last = queue.lastBatch();
  const batches = spool.batches().filter((batch) => batch > last);
  let files = 0;
  // The end may have come between the renames and their sync; a row must not speak of what a power cut could take back.
  if (batches.length > 0) await syncFileSystem(spool.folder);
  for (const batch of batches) {
    if (signal.aborted) break;
    const found = readBatch(spool, batch);
    if (found.files.length > 0) await queue.enqueue(found.files.map((file) => queuedFileOf(file, batch)));
    removeFolders(spool, batch, found.emptyFolders);
    files += found.files.length;
    await others();
  }
  return files;
}

/** Files of older batches whose rows do not wait. In the background: a backlog may be a million files. */
export async function sweepOldBatches(
  spool: Spool,
  queue: UploadQueue,
  upTo: number,
  { onRestless, onDelivered }: SpoolFindings,
  signal: AbortSignal,
): Promise<void> {
  for (const batch of spool.batches()) {
    if (batch > upTo) return;
    const { files, emptyFolders } = readBatch(spool, batch);
    for (const file of files) {
      if (signal.aborted) return;
      const row = queue.findInBatch(batch, file.path);
      const isSame = row !== undefined && compareFingerprints(row.fingerprint, fingerprintOf(file.stats)) !== 'changed';
      const decision = decideSpooled(row, isSame);
      if (decision === 'settle') onRestless(batch, file.path);
      else if (decision === 'dispose') onDelivered(row!.id);
    }
    removeFolders(spool, batch, emptyFolders);
    await others();
  }
}

interface BatchContent {
  /** The oldest first, as they were when they were claimed. */
  readonly files: readonly FoundFile[];
  /** Left by a kill before the first rename into them, or between the last unlink and their own. */
  readonly emptyFolders: readonly Buffer[];
}

function readBatch(spool: Spool, batch: number): BatchContent {
  const files: FoundFile[] = [];
  const emptyFolders: Buffer[] = [];
  const onFolder = (path: Buffer, entries: number): void => {
    if (entries === 0) emptyFolders.push(path);
  };
  for (const found of walkFolder(spool.batchPath(batch), { isIgnored: () => false, onFolder })) {
    if (found !== undefined && 'stats' in found) files.push(found);
  }
  return { files: files.sort(byAge), emptyFolders };
}

function removeFolders(spool: Spool, batch: number, emptyFolders: readonly Buffer[]): void {
  for (const folder of emptyFolders) spool.removeEmpty(batch, joinPath(folder, Buffer.from('x')));
}

const byAge = (a: FoundFile, b: FoundFile): number =>
  Number(a.stats.mtimeNs - b.stats.mtimeNs) || Buffer.compare(a.path, b.path);

const queuedFileOf = ({ path, stats }: FoundFile, batch: number): QueuedFile => ({
  path,
  batch,
  sizeBytes: Number(stats.size),
  mtimeMs: Number(stats.mtimeNs / 1_000_000n),
  fingerprint: fingerprintOf(stats),
  replaces: undefined,
  isLate: () => false,
  note: noteForEmpty(Number(stats.size)),
});
