import type { Edge } from '../component';
import type { OutboxConfig } from '../config/schema';
import { each } from '../domain/each';
import { asTransferError } from '../domain/errors';
import { type KeyTemplate, renamedKey } from '../domain/key-template';
import { printableName } from '../domain/printable-name';
import { directCalls } from '../outbox/claim-calls';
import { ClaimThread } from '../outbox/claim-thread';
import { Outbox, type OutboxOptions } from '../outbox/outbox';
import type { QueuedFile } from '../outbox/upload-queue';
import type { NewUpload, UploadTable } from '../upload/upload-table';

/** An outbox, and what it asks of the ledger. @param id the ledger's number of it */
export function buildOutbox(
  config: OutboxConfig,
  id: number,
  template: KeyTemplate,
  table: UploadTable,
  { claimThread, ...options }: Omit<OutboxOptions, 'config' | 'queue' | 'calls'> & Pick<Edge, 'claimThread'>,
): Outbox {
  const { versions } = table;
  const newestFirst = config.order === 'newest';
  return new Outbox({
    ...options,
    config,
    calls: claimThread === undefined ? directCalls : new ClaimThread(claimThread),
    queue: {
      find: (row) => versions.find(row),
      findLatest: (path) => versions.findLatest(id, path),
      findInBatch: (batch, path) => versions.findInBatch(id, batch, path),
      findBeforeBatch: (batch, path) => versions.findBeforeBatch(id, batch, path),
      lastBatch: () => versions.lastBatch(id),
      enqueue: (files) => table.enqueue(each(files, (file) => newUpload(file, id, template, newestFirst))),
    },
  });
}

function newUpload(file: QueuedFile, outboxId: number, template: KeyTemplate, newestFirst: boolean): NewUpload {
  return {
    path: file.path,
    batch: file.batch,
    note: file.note,
    sizeBytes: file.sizeBytes,
    fingerprint: file.fingerprint,
    replaces: file.replaces,
    outboxId,
    newestFirst,
    keyFor: (id: number) => {
      try {
        const key = template.keyFor({ path: printableName(file.path), mtimeMs: file.mtimeMs, id });
        return file.isLate() ? renamedKey(key, file.mtimeMs, 1) : key;
      } catch (error) {
        return asTransferError(error);
      }
    },
  };
}
