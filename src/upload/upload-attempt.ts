import { setMaxListeners } from 'node:events';
import { asTransferError } from '../domain/errors';
import type { FilePlace } from './open-file';
import type { Upload } from './upload-row';

/** One upload under way. `row` is what the ledger holds now: renaming and starting a multipart upload change it. */
export class UploadAttempt {
  /** Bytes of each part under way that have left; a part that is done counts in `doneBytes`. */
  readonly #leaving = new Map<number, number>();
  #doneBytes = 0;
  readonly #cutOff = new AbortController();

  constructor(
    public row: Upload,
    readonly file: FilePlace,
    readonly startedAtMs: number,
  ) {
    // A request, a part and a buffer each listen while they last: their number says nothing.
    setMaxListeners(0, this.signal);
  }

  get signal(): AbortSignal {
    return this.#cutOff.signal;
  }

  /** It ends where it stands. */
  cutOff(): void {
    this.#cutOff.abort();
  }

  /** A call failed whose answer may be all that was lost. */
  noteOutcome(error: unknown): void {
    if (asTransferError(error).outcomeUnknown) this.row = { ...this.row, outcomeUnknown: true };
  }

  get sentBytes(): number {
    let sum = this.#doneBytes;
    for (const bytes of this.#leaving.values()) sum += bytes;
    return sum;
  }

  leaving(partNumber: number, bytes: number): void {
    this.#leaving.set(partNumber, bytes);
  }

  arrived(partNumber: number, bytes: number): void {
    this.#leaving.delete(partNumber);
    this.#doneBytes += bytes;
  }

  failed(partNumber: number): void {
    this.#leaving.delete(partNumber);
  }
}

export interface Delivery {
  readonly outcome: 'delivered' | 'skipped';
  readonly crc32: number | undefined;
  /** Why it was skipped. */
  readonly skipped?: 'the key was taken' | 'the same content was delivered before';
}
