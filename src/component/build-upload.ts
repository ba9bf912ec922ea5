import type { EventEmitter } from 'node:events';
import type { Clock } from '../clock';
import type { UploadConfig } from '../config/schema';
import type { DeliveryEvent } from '../control/protocol';
import type { Ledger } from '../custody/ledger';
import type { Link } from '../link/link';
import type { Log } from '../log';
import { AccountGate } from '../upload/account-gate';
import { BufferPool } from '../upload/buffer-pool';
import { ExistingObject } from '../upload/existing-object';
import { History } from '../upload/history';
import { MissingActions } from '../upload/missing-actions';
import { MultipartUpload } from '../upload/multipart-upload';
import type { ObjectStore } from '../upload/object-store';
import { OrphanSweeper } from '../upload/orphan-sweeper';
import { PartTable } from '../upload/part-table';
import { sendFile } from '../upload/send-file';
import { SinglePut } from '../upload/single-put';
import type { UploadAttempt } from '../upload/upload-attempt';
import type { UploadReader } from '../upload/upload-reader';
import type { UploadTable } from '../upload/upload-table';
import { type UploadSource, UploadWorker } from '../upload/upload-worker';
import type { SendSource } from './source';

export interface UploadParts {
  readonly ledger: Ledger;
  readonly table: UploadTable;
  readonly reader: UploadReader;
  readonly link: Link;
  readonly store: ObjectStore;
  readonly sources: readonly SendSource[];
  /** Changed in place when the configuration is. */
  readonly limits: UploadConfig;
  readonly historyFiles: number;
  /** Monotonic milliseconds until when nobody is asked for credentials. */
  readonly credentialsAgainAtMs: () => number | undefined;
  /** Told of what ends, where somebody listens. */
  readonly ended: EventEmitter;
  readonly clock: Clock;
  readonly dice: () => number;
  readonly log: Log;
}

export interface UploadWay {
  readonly gate: AccountGate;
  readonly worker: UploadWorker;
  readonly sweeper: OrphanSweeper;
  readonly history: History;
  /** IAM actions that would be of use. */
  readonly missing: MissingActions;
}

/** The way up, from a row that is due to its object, and what tidies behind it. Nothing of it has started. */
export function buildUpload(parts: UploadParts): UploadWay {
  const { ledger, table, link, store, sources, limits, historyFiles, clock, dice, log } = parts;
  const accountProbeMaxMs = limits.probeMaxSeconds * 1000;
  const gate = new AccountGate(accountProbeMaxMs, clock, dice, log, parts.credentialsAgainAtMs);
  const missing = new MissingActions(clock, log);
  const sourceOf = new Map(sources.map((source) => [source.id, source]));
  const worker = new UploadWorker({
    table,
    send: buildSend(parts, gate, missing, sourceOf),
    gate,
    link,
    clock,
    dice,
    log,
    sources: sources.map((source) => uploadSource(source, parts)),
    get parallelFiles() {
      return limits.parallelFiles;
    },
    get retryMaxMs() {
      return limits.retryMaxSeconds * 1000;
    },
    accountProbeMaxMs,
  });
  const sweeper = new OrphanSweeper(ledger, store, link, missing, clock, log);
  const history = new History(
    ledger,
    sources.map((source) => ({ outboxId: source.id, remainingBatches: () => source.outbox.remainingBatches() })),
    historyFiles,
    clock,
  );
  return { gate, worker, sweeper, history, missing };
}

function buildSend(
  { ledger, table, store, limits, log }: UploadParts,
  gate: AccountGate,
  missing: MissingActions,
  sourceOf: ReadonlyMap<number, SendSource>,
) {
  const uploadIdOf = (id: number): string => `${ledger.id}-${id}`;
  const pool = new BufferPool(limits.uploadMemoryBytes);
  const existing = new ExistingObject(store, table, limits.onExisting, missing, log);
  const single = new SinglePut(store, table, existing, pool, uploadIdOf);
  const onAccepted = ({ row }: UploadAttempt): void => gate.succeeded(sourceOf.get(row.outboxId)!.template.prefix);
  const multipart = new MultipartUpload(store, table, new PartTable(ledger), existing, pool, missing, log, onAccepted, {
    limits,
    uploadIdOf,
  });
  return (attempt: UploadAttempt, signal: AbortSignal) => {
    const { duplicates } = sourceOf.get(attempt.row.outboxId)!.config;
    const { singlePutMaxBytes } = limits;
    return sendFile(attempt, table, single, multipart, { singlePutMaxBytes, duplicates }, signal);
  };
}

function uploadSource(source: SendSource, { reader, ended }: UploadParts): UploadSource {
  const { id, template } = source;
  return {
    outboxId: id,
    fileOf: (row) => source.outbox.fileOf(row),
    prefix: template.prefix,
    get priority() {
      return source.config.priority;
    },
    newestFirst: source.config.order === 'newest',
    onEnded: (row, end) => {
      if (end === 'done') source.outbox.delivered(row);
      else if (end === 'superseded') source.outbox.superseded(row);
      else source.outbox.failed?.(row);
      if (end === 'superseded' || ended.listenerCount('upload') === 0) return;
      const event: DeliveryEvent = {
        event: end === 'done' ? 'delivered' : 'failed',
        upload: reader.summarize(row.id),
      };
      ended.emit('upload', event);
    },
  };
}
