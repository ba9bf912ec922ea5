import { hasCode } from '../domain/errors';
import type { BufferPool } from './buffer-pool';
import { describeObject } from './describe-object';
import type { ExistingObject } from './existing-object';
import type { ObjectStore } from './object-store';
import { readBody, SLICE_BYTES, streamBody } from './read-body';
import type { SourceFile } from './source-file';
import type { Delivery, UploadAttempt } from './upload-attempt';
import type { UploadTable } from './upload-table';

/** Times a key may be found taken and free again within one attempt, before the file waits for its next. */
const MAX_TURNS = 10;

/** A file as one PutObject. */
export class SinglePut {
  constructor(
    private readonly store: ObjectStore,
    private readonly table: UploadTable,
    private readonly existing: ExistingObject,
    private readonly pool: BufferPool,
    private readonly uploadIdOf: (id: number) => string,
  ) {}

  async send(attempt: UploadAttempt, source: SourceFile, signal: AbortSignal): Promise<Delivery> {
    const { sizeBytes } = source;
    const { digestNeeds } = this.store;
    const onSent = (bytes: number): void => attempt.leaving(0, bytes);
    const streamed = sizeBytes > this.pool.largestBytes;
    const lease = await this.pool.acquire(streamed ? SLICE_BYTES : sizeBytes, signal);
    try {
      const body = streamed
        ? await streamBody(source, 0, sizeBytes, lease.buffer, digestNeeds, onSent, signal)
        : await readBody(source, 0, lease.buffer, digestNeeds, onSent);
      await source.assertUnchanged();
      const uploadId = this.uploadIdOf(attempt.row.id);
      for (let turn = 1; ; turn++) {
        const onlyIfAbsent = this.existing.isConditional;
        if (onlyIfAbsent) await this.table.markAttempted(attempt.row);
        try {
          await this.store.putObject(describeObject(attempt.row, uploadId, body.crc32), body, onlyIfAbsent, signal);
          return { outcome: 'delivered', crc32: body.crc32 };
        } catch (error) {
          attempt.noteOutcome(error);
          if (!onlyIfAbsent || !hasCode(error, 'PRECONDITION_FAILED') || turn === MAX_TURNS) throw error;
          const whose = await this.existing.judge(attempt, { uploadId, sizeBytes, crc32: body.crc32 }, signal);
          if (whose === 'ours') return { outcome: 'delivered', crc32: body.crc32 };
          const end = whose === 'foreign' ? await this.existing.moveAway(attempt) : undefined;
          if (end !== undefined) return end;
        }
      }
    } finally {
      lease.release();
    }
  }
}
