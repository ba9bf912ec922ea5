import { setMaxListeners } from 'node:events';
import { combineCrc32 } from '../domain/crc32';
import { hasCode, TransferError } from '../domain/errors';
import type { Log } from '../log';
import type { BufferPool } from './buffer-pool';
import { describeObject } from './describe-object';
import type { ExistingObject } from './existing-object';
import type { MissingActions } from './missing-actions';
import type { Multipart, ObjectStore } from './object-store';
import { type Part, planParts, type SentPart } from './part-plan';
import type { PartTable } from './part-table';
import { crc32OfRange, readBody, SLICE_BYTES, streamBody } from './read-body';
import { reconcileParts } from './reconcile-parts';
import type { SourceFile } from './source-file';
import type { Delivery, UploadAttempt } from './upload-attempt';
import type { UploadTable } from './upload-table';

const LIST_PARTS = 's3:ListMultipartUploadParts';

export interface MultipartOptions {
  /** Read for each file: the limits may change in between. */
  readonly limits: { readonly partSizeBytes: number; readonly parallelParts: number };
  /** Our id of the upload, for the object's metadata. */
  readonly uploadIdOf: (id: number) => string;
}

/** A file in parts, resumed from our own record of them. */
export class MultipartUpload {
  constructor(
    private readonly store: ObjectStore,
    private readonly table: UploadTable,
    private readonly partTable: PartTable,
    private readonly existing: ExistingObject,
    private readonly pool: BufferPool,
    private readonly missing: MissingActions,
    private readonly log: Log,
    /** S3 took a part: the account and the service are well, however long the rest takes. */
    private readonly onAccepted: (attempt: UploadAttempt) => void,
    private readonly options: MultipartOptions,
  ) {}

  async send(attempt: UploadAttempt, source: SourceFile, signal: AbortSignal): Promise<Delivery> {
    for (;;) {
      if (attempt.row.multipartId === undefined && this.existing.isConditional && !attempt.row.outcomeUnknown) {
        if (await this.existing.isTaken(attempt, signal)) {
          const end = await this.existing.moveAway(attempt);
          if (end !== undefined) return end;
          continue;
        }
      }
      const end = await this.#sendOnce(attempt, source, signal);
      if (end !== undefined) return end;
    }
  }

  /** @returns undefined when the key was taken and the row goes to another */
  async #sendOnce(attempt: UploadAttempt, source: SourceFile, signal: AbortSignal): Promise<Delivery | undefined> {
    const upload = await this.#begin(attempt, signal);
    const sent = await this.#heldParts(attempt, upload, source, signal);
    const plan = planParts(source.sizeBytes, this.options.limits.partSizeBytes, sent);
    for (const { number, sizeBytes } of sent) attempt.arrived(number, sizeBytes);
    sent.push(...(await this.#sendParts(attempt, upload, plan, source, signal)));
    await source.assertUnchanged();
    sent.sort((a, b) => a.number - b.number);
    const crc32 = sent.reduce((sum, part) => combineCrc32(sum, part.crc32, part.sizeBytes), 0);
    return this.#complete(attempt, upload, sent, { sizeBytes: source.sizeBytes, crc32 }, signal);
  }

  async #begin(attempt: UploadAttempt, signal: AbortSignal): Promise<Multipart> {
    const { row } = attempt;
    if (row.multipartId !== undefined) return { key: row.objectKey, id: row.multipartId };
    const id = await this.store.createMultipart(
      describeObject(row, this.options.uploadIdOf(row.id), undefined),
      signal,
    );
    await this.table.startMultipart(row, id);
    attempt.row = { ...row, multipartId: id };
    return { key: row.objectKey, id };
  }

  /** Our record, set right by S3's where we may ask. With everything sent there is nothing to ask: Complete will tell. */
  async #heldParts(
    attempt: UploadAttempt,
    upload: Multipart,
    source: SourceFile,
    signal: AbortSignal,
  ): Promise<SentPart[]> {
    const { row } = attempt;
    const recorded = this.partTable.of(row.id);
    const recordedBytes = recorded.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (recorded.length === 0 || recordedBytes === source.sizeBytes) return recorded;
    if (!this.missing.isWorthAsking(LIST_PARTS)) return recorded;
    try {
      const listed = await this.store.listParts(upload, signal);
      this.missing.granted(LIST_PARTS);
      const { held, lost } = reconcileParts(recorded, listed);
      if (lost.length > 0) await this.partTable.forget(row.id, lost);
      return held;
    } catch (error) {
      if (!hasCode(error, 'ACCESS_DENIED')) throw error;
      this.missing.denied(LIST_PARTS);
      return recorded;
    }
  }

  /** So many parts at once; the first failure stops the others, and all have ended when this returns. */
  async #sendParts(
    attempt: UploadAttempt,
    upload: Multipart,
    plan: readonly Part[],
    source: SourceFile,
    signal: AbortSignal,
  ): Promise<SentPart[]> {
    const sent: SentPart[] = [];
    const failure = new AbortController();
    const either = AbortSignal.any([signal, failure.signal]);
    setMaxListeners(0, either);
    const queue = plan.values();
    const lane = async (): Promise<void> => {
      for (const part of queue) {
        sent.push(await this.#sendPart(attempt, upload, part, source, either));
      }
    };
    const lanes = Array.from({ length: Math.min(this.options.limits.parallelParts, plan.length) }, () =>
      lane().catch((error: unknown) => {
        if (!failure.signal.aborted) failure.abort(error);
      }),
    );
    await Promise.all(lanes);
    if (failure.signal.aborted) throw failure.signal.reason;
    return sent;
  }

  async #sendPart(
    attempt: UploadAttempt,
    upload: Multipart,
    part: Part,
    source: SourceFile,
    signal: AbortSignal,
  ): Promise<SentPart> {
    const { digestNeeds } = this.store;
    const onSent = (bytes: number): void => attempt.leaving(part.number, bytes);
    const streamed = part.sizeBytes > this.pool.largestBytes;
    const lease = await this.pool.acquire(streamed ? SLICE_BYTES : part.sizeBytes, signal);
    try {
      const body = streamed
        ? await streamBody(source, part.offset, part.sizeBytes, lease.buffer, digestNeeds, onSent, signal)
        : await readBody(source, part.offset, lease.buffer, digestNeeds, onSent);
      await source.assertUnchanged();
      const etag = await this.store.uploadPart(upload, part, body, signal);
      this.onAccepted(attempt);
      const sent = { ...part, etag, crc32: body.crc32 };
      await this.partTable.add(attempt.row.id, sent);
      attempt.arrived(part.number, part.sizeBytes);
      this.log.debug({ id: attempt.row.id, part: part.number, sizeBytes: part.sizeBytes }, 'part sent');
      return sent;
    } catch (error) {
      attempt.failed(part.number);
      throw error;
    } finally {
      lease.release();
    }
  }

  async #complete(
    attempt: UploadAttempt,
    upload: Multipart,
    parts: readonly SentPart[],
    whole: { sizeBytes: number; crc32: number },
    signal: AbortSignal,
  ): Promise<Delivery | undefined> {
    const { row } = attempt;
    const mine = { uploadId: this.options.uploadIdOf(row.id), ...whole };
    await this.table.markAttempted(row);
    try {
      await this.store.completeMultipart(upload, parts, whole, this.existing.isConditional, signal);
    } catch (error) {
      if (hasCode(error, 'PRECONDITION_FAILED') && this.existing.isConditional) {
        const whose = await this.existing.judge(attempt, mine, signal);
        if (whose === 'gone') throw error; // the same Complete, later
        if (whose === 'foreign') return this.existing.moveAway(attempt);
        // An earlier attempt's Complete, perhaps with another upload id: this one may still be there.
        await this.table.leaveMultipart(row);
        attempt.row = { ...row, multipartId: undefined };
        return { outcome: 'delivered', crc32: whole.crc32 };
      }
      attempt.noteOutcome(error);
      const lostAnswer = hasCode(error, 'MULTIPART_GONE') && row.outcomeUnknown;
      if (!lostAnswer || !(await this.existing.isDelivered(attempt, mine, signal))) throw error;
    }
    return { outcome: 'delivered', crc32: whole.crc32 };
  }

  /** Of the whole file, without sending it. */
  async crc32Of(source: SourceFile, signal: AbortSignal): Promise<number> {
    const lease = await this.pool.acquire(SLICE_BYTES, signal);
    try {
      const sum = await crc32OfRange(source, 0, source.sizeBytes, lease.buffer);
      await source.assertUnchanged();
      return sum;
    } finally {
      lease.release();
    }
  }

  /** Did the bytes already sent stay what they were? Asked when the file's place moved but not its size and mtime. */
  async holdsWhatWasSent(attempt: UploadAttempt, source: SourceFile, signal: AbortSignal): Promise<boolean> {
    const lease = await this.pool.acquire(SLICE_BYTES, signal);
    try {
      for (const { offset, sizeBytes, crc32 } of this.partTable.of(attempt.row.id)) {
        if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
        if ((await crc32OfRange(source, offset, sizeBytes, lease.buffer)) !== crc32) return false;
      }
      return true;
    } finally {
      lease.release();
    }
  }
}
