import type { InboundState } from './transitions';

/** One version of one remote object on its way down, as the ledger has it. */
export interface Inbound {
  readonly id: number;
  readonly objectKey: string;
  readonly etag: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly state: InboundState;
  /** Of whoever asked. */
  readonly request: string | undefined;
  /** Unix milliseconds; grows when it is asked for anew before it has been looked for. */
  readonly askedAtMs: number;
  readonly failures: number;
  /** In which run of the device the temporary file was written. */
  readonly bootId: string | undefined;
  readonly durableBytes: number;
  readonly inode: string | undefined;
  readonly verified: string | undefined;
  readonly crc32: number | undefined;
  readonly landedPath: string | undefined;
  readonly archiveKey: string | undefined;
  readonly outcome: 'archived' | 'landed' | 'skipped' | undefined;
  readonly errorCode: string | undefined;
  readonly errorMessage: string | undefined;
}

export interface InboundRecord {
  readonly id: number;
  readonly object_key: string;
  readonly etag: string | null;
  readonly size_bytes: number | null;
  readonly state: InboundState;
  readonly request: string | null;
  readonly asked_at_ms: number;
  readonly failures: number;
  readonly boot_id: string | null;
  readonly durable_bytes: number;
  readonly inode: string | null;
  readonly verified: string | null;
  readonly crc32: number | null;
  readonly landed_path: string | null;
  readonly archive_key: string | null;
  readonly outcome: 'archived' | 'landed' | 'skipped' | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
}

export const inboundOf = (record: InboundRecord): Inbound => ({
  id: record.id,
  objectKey: record.object_key,
  etag: record.etag ?? undefined,
  sizeBytes: record.size_bytes ?? undefined,
  state: record.state,
  request: record.request ?? undefined,
  askedAtMs: record.asked_at_ms,
  failures: record.failures,
  bootId: record.boot_id ?? undefined,
  durableBytes: record.durable_bytes,
  inode: record.inode ?? undefined,
  verified: record.verified ?? undefined,
  crc32: record.crc32 ?? undefined,
  landedPath: record.landed_path ?? undefined,
  archiveKey: record.archive_key ?? undefined,
  outcome: record.outcome ?? undefined,
  errorCode: record.error_code ?? undefined,
  errorMessage: record.error_message ?? undefined,
});
