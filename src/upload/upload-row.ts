import type { Fingerprint } from '../domain/fingerprint';
import type { UploadState } from './transitions';

/** One version of one file on its way up; a row of the ledger. */
export interface Upload {
  readonly id: number;
  readonly outboxId: number;
  /** Relative to the outbox, as on disk. */
  readonly path: Buffer;
  /** Of the spool; undefined: the file lies in the outbox. */
  readonly batch: number | undefined;
  readonly sizeBytes: number;
  readonly fingerprint: Fingerprint;
  readonly objectKey: string;
  /** The key it was renamed from, when that was taken. */
  readonly originalKey: string | undefined;
  readonly state: UploadState;
  readonly attempt: number;
  readonly failures: number;
  readonly outcomeUnknown: boolean;
  readonly runAtMs: number;
  readonly multipartId: string | undefined;
  readonly renames: number;
  readonly crc32: number | undefined;
  readonly outcome: 'delivered' | 'skipped' | undefined;
  readonly errorCode: string | undefined;
  readonly errorMessage: string | undefined;
  readonly queuedAtMs: number;
  readonly concludedAtMs: number | undefined;
  /** What a person should know of this version. */
  readonly note: string | undefined;
}

/** The row as SQLite gives it. */
export interface UploadRecord {
  readonly id: number;
  readonly outbox_id: number;
  readonly path: Buffer;
  readonly size_bytes: number;
  readonly content: string;
  readonly place: string;
  readonly object_key: string;
  readonly original_key: string | null;
  readonly newest_first: number;
  readonly state: UploadState;
  readonly attempt: number;
  readonly failures: number;
  readonly outcome_unknown: number;
  readonly run_at_ms: number;
  readonly multipart_id: string | null;
  readonly renames: number;
  readonly crc32: number | null;
  readonly outcome: 'delivered' | 'skipped' | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly queued_at_ms: number;
  readonly concluded_at_ms: number | null;
  readonly batch: number | null;
  readonly note: string | null;
}

export function uploadOf(record: UploadRecord): Upload {
  return {
    id: record.id,
    outboxId: record.outbox_id,
    path: record.path,
    batch: record.batch ?? undefined,
    sizeBytes: record.size_bytes,
    fingerprint: { content: record.content, place: record.place },
    objectKey: record.object_key,
    originalKey: record.original_key ?? undefined,
    state: record.state,
    attempt: record.attempt,
    failures: record.failures,
    outcomeUnknown: record.outcome_unknown === 1,
    runAtMs: record.run_at_ms,
    multipartId: record.multipart_id ?? undefined,
    renames: record.renames,
    crc32: record.crc32 ?? undefined,
    outcome: record.outcome ?? undefined,
    errorCode: record.error_code ?? undefined,
    errorMessage: record.error_message ?? undefined,
    queuedAtMs: record.queued_at_ms,
    concludedAtMs: record.concluded_at_ms ?? undefined,
    note: record.note ?? undefined,
  };
}
