import { TransferError } from '../domain/errors';
import { compareFingerprints } from '../domain/fingerprint';
import type { MultipartUpload } from './multipart-upload';
import type { SinglePut } from './single-put';
import { SourceFile } from './source-file';
import type { Delivery, UploadAttempt } from './upload-attempt';
import type { Upload } from './upload-row';
import type { UploadTable } from './upload-table';
import type { Delivered } from './upload-versions';

export interface SendOptions {
  readonly singlePutMaxBytes: number;
  /** What to do with the content that the path last delivered. */
  readonly duplicates: 'send' | 'skip';
}

/** Sends one version of one file, whole, or says why not. */
export async function sendFile(
  attempt: UploadAttempt,
  table: UploadTable,
  single: SinglePut,
  multipart: MultipartUpload,
  { singlePutMaxBytes, duplicates }: SendOptions,
  signal: AbortSignal,
): Promise<Delivery> {
  const source = await SourceFile.open(attempt.file, attempt.row.sizeBytes);
  try {
    await assertSameVersion(attempt, source, table, multipart, signal);
    const { row } = attempt;
    const before = row.multipartId === undefined && !row.outcomeUnknown ? table.versions.findDelivered(row) : undefined;
    if (before !== undefined && mayBeDuplicate(row, before, duplicates)) {
      if ((await multipart.crc32Of(source, signal)) === before.crc32)
        return { outcome: 'skipped', crc32: before.crc32, skipped: 'the same content was delivered before' };
    }
    // An upload begun in parts ends in parts, whatever the settings are by now.
    const inParts = row.multipartId !== undefined || source.sizeBytes > singlePutMaxBytes;
    return await (inParts ? multipart : single).send(attempt, source, signal);
  } finally {
    await source.close();
  }
}

/**
 * Only content of the same size is read for it. A file sent in place that has the same size and mtime as the one it was
 * delivered with was touched (chmod, a restored copy, another mount) rather than written.
 */
function mayBeDuplicate({ batch, fingerprint }: Upload, before: Delivered, duplicates: 'send' | 'skip'): boolean {
  if (batch === undefined && fingerprint.content === before.content) return true;
  return duplicates === 'skip' && sizeOf(fingerprint.content) === sizeOf(before.content);
}

const sizeOf = (content: string): string => content.slice(0, content.indexOf(':'));

async function assertSameVersion(
  attempt: UploadAttempt,
  source: SourceFile,
  table: UploadTable,
  multipart: MultipartUpload,
  signal: AbortSignal,
): Promise<void> {
  const { row } = attempt;
  const change = compareFingerprints(row.fingerprint, source.fingerprint);
  if (change === 'same') return;
  if (change === 'changed') throw new TransferError('SOURCE_CHANGED', 'the file was written after it was queued');
  if (row.multipartId !== undefined && !(await multipart.holdsWhatWasSent(attempt, source, signal))) {
    throw new TransferError('SOURCE_CHANGED', 'what was already sent of the file is no longer what it holds');
  }
  await table.keepFingerprint(row, source.fingerprint);
  attempt.row = { ...row, fingerprint: source.fingerprint };
}
