import { crc32ToBase64 } from '../domain/crc32';
import { printableName } from '../domain/printable-name';
import { mtimeMsOf } from './describe-object';
import type { SentPart } from './part-plan';
import type { Upload } from './upload-row';

const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());

export type UploadSummary = ReturnType<typeof summarizeUpload>;

/** A row as a person sees it in a list. */
export function summarizeUpload(upload: Upload) {
  return {
    id: upload.id,
    state: upload.state,
    path: printableName(upload.path),
    key: upload.objectKey,
    sizeBytes: upload.sizeBytes,
    failures: upload.failures,
    outcome: upload.outcome,
    code: upload.errorCode,
    message: upload.errorMessage,
  };
}

/** All that is known of one. */
export function describeUpload(upload: Upload, outbox: string, parts: readonly SentPart[]) {
  return {
    ...summarizeUpload(upload),
    outbox,
    batch: upload.batch,
    note: upload.note,
    attempt: upload.attempt,
    mtime: iso(mtimeMsOf(upload.fingerprint.content))!,
    queuedAt: iso(upload.queuedAtMs)!,
    concludedAt: iso(upload.concludedAtMs),
    nextAttemptAt: upload.state === 'queued' && upload.runAtMs > 0 ? iso(upload.runAtMs) : undefined,
    crc32: upload.crc32 === undefined ? undefined : crc32ToBase64(upload.crc32),
    multipartId: upload.multipartId,
    parts: parts.map(({ number, offset, sizeBytes, etag }) => ({ number, offset, sizeBytes, etag })),
  };
}
