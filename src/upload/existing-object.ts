import { hasCode, TransferError } from '../domain/errors';
import { renamedKey } from '../domain/key-template';
import type { Log } from '../log';
import { mtimeMsOf } from './describe-object';
import { isMine, judgeExisting, type Mine } from './judge-existing';
import type { MissingActions } from './missing-actions';
import type { ObjectInfo, ObjectStore } from './object-store';
import type { Delivery, UploadAttempt } from './upload-attempt';
import type { UploadTable } from './upload-table';

/** What to do when the key is taken: configuration, `overwrite` never comes here. */
export type OnExisting = 'overwrite' | 'skip' | 'rename';

/** Meets a key that is taken: recognises our own lost success, skips, or moves to another key. */
export class ExistingObject {
  constructor(
    private readonly store: ObjectStore,
    private readonly table: UploadTable,
    private readonly onExisting: OnExisting,
    private readonly missing: MissingActions,
    private readonly log: Log,
  ) {}

  /** Whether requests carry `If-None-Match: *`. */
  get isConditional(): boolean {
    return this.onExisting !== 'overwrite';
  }

  /** Before the bytes of a large file go: is the key taken already? Without the right to look it shows at the end. */
  async isTaken(attempt: UploadAttempt, signal: AbortSignal): Promise<boolean> {
    const seen = await this.#look(attempt.row.objectKey, signal);
    return seen !== 'denied' && seen !== undefined;
  }

  /** Did an earlier Complete succeed whose answer was lost? The upload id is gone either way. */
  async isDelivered(attempt: UploadAttempt, mine: Mine, signal: AbortSignal): Promise<boolean> {
    const seen = await this.#look(attempt.row.objectKey, signal);
    return seen !== 'denied' && seen !== undefined && isMine(seen, mine);
  }

  /** After `412`: whose is it? `ours`: an earlier attempt of this very upload made it. */
  async judge(attempt: UploadAttempt, mine: Mine, signal: AbortSignal): Promise<'ours' | 'foreign' | 'gone'> {
    const { row } = attempt;
    const seen = await this.#look(row.objectKey, signal);
    // It is there, S3 has just said so: here, and not for any key, a denial says that the right to look is missing.
    if (seen === 'denied') this.missing.denied('s3:GetObject');
    const verdict = judgeExisting(seen, mine, row.outcomeUnknown);
    if (verdict !== 'assumed-ours') return verdict;
    this.log.warn(
      { id: row.id, key: row.objectKey },
      'the key is taken after a lost answer, counted as our own; s3:GetObject would tell',
    );
    return 'ours';
  }

  /** Skips, or commits another key for the row. */
  async moveAway(attempt: UploadAttempt): Promise<Delivery | undefined> {
    const { row } = attempt;
    if (this.onExisting === 'skip') {
      return { outcome: 'skipped', crc32: undefined, skipped: 'the key was taken' };
    }
    const renames = row.renames + 1;
    const base = renames === 1 ? row.objectKey : this.#originalKey(attempt);
    const objectKey = renamedKey(base, mtimeMsOf(row.fingerprint.content), renames);
    await this.table.rename(row, objectKey, base);
    attempt.row = { ...row, objectKey, originalKey: base, renames, outcomeUnknown: false, multipartId: undefined };
    this.log.info({ id: row.id, key: objectKey }, 'key is taken, goes to another');
    return undefined;
  }

  #originalKey({ row }: UploadAttempt): string {
    if (row.originalKey === undefined)
      throw new TransferError('UNEXPECTED', `row ${row.id} was renamed without its first key`);
    return row.originalKey;
  }

  async #look(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined | 'denied'> {
    if (!this.missing.isWorthAsking('s3:GetObject')) return 'denied';
    try {
      const found = await this.store.findObject(key, signal);
      if (found !== undefined) this.missing.granted('s3:GetObject');
      return found;
    } catch (error) {
      if (hasCode(error, 'ACCESS_DENIED')) return 'denied';
      throw error;
    }
  }
}
