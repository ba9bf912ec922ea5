import { TransferError } from '../domain/errors';
import { compareFingerprints } from '../domain/fingerprint';
import type { MultipartUpload } from './multipart-upload';
import type { SinglePut } from './single-put';
import { SourceFile } from './source-file';
import type { Delivery, UploadAttempt } from './upload-attempt';
import type { UploadTable } from './upload-table';

/** Sends one version of one file, whole, or says why not. */
export async function sendFile(
  attempt: UploadAttempt,
  table: UploadTable,
  single: SinglePut,
  multipart: MultipartUpload,
  singlePutMaxBytes: number,
  signal: AbortSignal,
): Promise<Delivery> {
  const source = await SourceFile.open(attempt.file, attempt.row.sizeBytes);
  try {
    await assertSameVersion(attempt, source, table, multipart, signal);
    // An upload begun in parts ends in parts, whatever the settings are by now.
    const inParts = attempt.row.multipartId !== undefined || source.sizeBytes > singlePutMaxBytes;
    return await (inParts ? multipart : single).send(attempt, source, signal);
  } finally {
    await source.close();
  }
}

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
