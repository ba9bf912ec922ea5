import type { Clock } from '../clock';
import { hasCode, TransferError } from '../domain/errors';
import { renamedKey } from '../domain/key-template';
import type { RemoteChecksums } from '../download/remote-object';
import type { Log } from '../log';
import type { Inbound } from './inbound';
import type { InboxStore, RemoteObject } from './inbox-store';
import type { InboxTable, Notes } from './inbox-table';

export interface ArchiveOptions {
  readonly table: InboxTable;
  readonly store: InboxStore;
  /** Of the inbox: what lies elsewhere stays where it is. */
  readonly prefix: string;
  readonly archivePrefix: string;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly log: Log;
}

const TRIES = 20;
/**
 * Copies that were refused one after the other are refused for the next object too, and each asking costs three requests
 * over the link. One alone may be of an object that somebody has taken away: S3 calls that denied as well.
 */
const ENOUGH_REFUSED = 2;
const ASK_AGAIN_MS = 600_000;

/** The way of a landed object from the inbox to the archive: a key of its own, a copy that is checked, and then the delete. */
export class InboxArchive {
  /** Told once, and to be seen in the status until it is granted. */
  #problem: string | undefined;
  #refusedInARow = 0;
  /** Why nothing can be copied, and until when nobody is asked again. */
  #refusal: { readonly error: TransferError; readonly untilMs: number } | undefined;
  /** Keys that were found free in this life, and not copied to yet: by row. */
  readonly #free = new Set<number>();

  constructor(private readonly options: ArchiveOptions) {}

  get problem(): string | undefined {
    return this.#problem;
  }

  /** @param remote what S3 has said of it in this attempt */
  advance(row: Inbound, remote: RemoteObject | undefined, signal: AbortSignal): Promise<Inbound> {
    switch (row.state) {
      case 'landed':
        return this.#choose(row, signal);
      case 'archiving':
        return this.#copy(row, remote, signal);
      case 'archived':
        return this.#remove(row, signal);
      default:
        throw new Error(`an inbound object is ${row.state} and to be archived`);
    }
  }

  /** Committed before anything is copied: what is found there after a kill can be our own. */
  async #choose(row: Inbound, signal: AbortSignal): Promise<Inbound> {
    const { table } = this.options;
    try {
      const key = await this.findFreeKey(row, signal);
      return await (key === undefined
        ? table.step(row, 'keep', { outcome: 'landed' })
        : table.step(row, 'archive', { archive_key: key }));
    } catch (error) {
      if (hasCode(error, 'KEY_TOO_LONG', 'ACCESS_DENIED')) return this.#keep(row, error);
      throw error;
    }
  }

  /**
   * To be committed before anything is copied there.
   * @returns undefined when the object stays where it is
   * @throws TransferError ACCESS_DENIED while nothing can be copied
   */
  async findFreeKey({ id, objectKey }: Inbound, signal: AbortSignal): Promise<string | undefined> {
    const { prefix, archivePrefix, clock } = this.options;
    if (!objectKey.startsWith(prefix)) return undefined;
    if (this.#refusal !== undefined && clock.monotonicMs() < this.#refusal.untilMs) throw this.#refusal.error;
    const plain = archivePrefix + objectKey.slice(prefix.length);
    const now = clock.nowMs();
    for (let tries = 0; tries <= TRIES; tries++) {
      const key = tries === 0 ? plain : renamedKey(plain, now, tries);
      const found = await this.#look(key, signal); // also where others were denied: one that is there need not be
      // Nobody tells us what is there: a name with the time in it is free, as far as anybody can know.
      if (found === undefined || (found === 'unseen' && tries > 0)) {
        this.#free.add(id);
        return key;
      }
    }
    throw new TransferError('CONFLICT', `${plain} and ${TRIES} names beside it are taken in the archive`);
  }

  async #copy(row: Inbound, remote: RemoteObject | undefined, signal: AbortSignal): Promise<Inbound> {
    const { table, store } = this.options;
    const { objectKey, etag, sizeBytes } = row;
    const to = row.archiveKey!;
    // Chosen long ago: what is there now is our copy, or somebody else's.
    const taken = this.#free.delete(row.id) ? undefined : await this.#look(to, signal);
    const likeness = await this.#compare(taken, row, remote, signal);
    if (likeness === 'same') return table.step(row, 'copied');
    if (likeness === 'other') return table.step(row, 'rename');
    try {
      const version = { etag: etag!, sizeBytes: sizeBytes!, checksums: {} };
      await store.copy(objectKey, version, to, taken === undefined, signal);
    } catch (error) {
      if (hasCode(error, 'ACCESS_DENIED', 'OBJECT_UNSEEN')) {
        this.#refusedInARow += 1;
        if (this.#refusedInARow >= ENOUGH_REFUSED) this.#askNoMore(error);
        return this.#denied(row, error);
      }
      if (hasCode(error, 'OBJECT_MISSING')) return this.#keep(row, error); // somebody else has taken it away
      if (hasCode(error, 'OBJECT_CHANGED')) return table.follow(row, 'keep', whyKept(error));
      throw error; // PRECONDITION_FAILED too: the next attempt looks what is there
    }
    this.#refusedInARow = 0;
    const found = await this.#look(to, signal);
    if (found === undefined || (await this.#compare(found, row, remote, signal)) === 'other')
      throw new TransferError('S3_INTERNAL', `the copy ${to} is not what ${objectKey} is; copying it anew`);
    return table.step(row, 'copied');
  }

  /** @returns unknown: nobody tells us, or they are as long and have no checksum in common */
  async #compare(
    found: RemoteObject | 'unseen' | undefined,
    row: Inbound,
    remote: RemoteObject | undefined,
    signal: AbortSignal,
  ): Promise<'same' | 'other' | 'unknown'> {
    if (found === undefined || found === 'unseen') return 'unknown';
    if (found.sizeBytes !== row.sizeBytes) return 'other';
    const source = remote ?? (await this.#look(row.objectKey, signal));
    const told = source === undefined || source === 'unseen' || source.etag !== row.etag ? {} : source.checksums;
    const ours: RemoteChecksums = { ...told, crc32: row.crc32 };
    const known = CHECKSUMS.filter((name) => ours[name] !== undefined && found.checksums[name] !== undefined);
    if (known.length === 0) return 'unknown';
    return known.every((name) => ours[name] === found.checksums[name]) ? 'same' : 'other';
  }

  async #remove(row: Inbound, signal: AbortSignal): Promise<Inbound> {
    const { table, store } = this.options;
    try {
      await store.remove(row.objectKey, row.etag!, signal);
    } catch (error) {
      if (hasCode(error, 'ACCESS_DENIED', 'OBJECT_UNSEEN')) return this.#denied(row, error);
      // A newer version stands under the key: it is fetched, never deleted unseen.
      if (hasCode(error, 'OBJECT_CHANGED')) return table.follow(row, 'remove', { outcome: 'archived' });
      throw error;
    }
    this.#problem = undefined;
    return table.step(row, 'remove', { outcome: 'archived' });
  }

  #askNoMore({ message }: TransferError): void {
    this.#refusal = {
      untilMs: this.options.clock.monotonicMs() + ASK_AGAIN_MS,
      error: new TransferError(
        'ACCESS_DENIED',
        `landed, not archived: access was denied for those before (${message}), and is asked for again after ${ASK_AGAIN_MS / 60_000} minutes`,
      ),
    };
  }

  #denied(row: Inbound, error: TransferError): Promise<Inbound> {
    if (this.#problem === undefined)
      this.options.log.warn({ key: row.objectKey, reason: error.message }, 'landed, not archived: access denied');
    this.#problem = `objects land and stay in the inbox: ${error.message}`;
    return this.#keep(
      row,
      new TransferError('ACCESS_DENIED', `landed, not archived: access denied (${error.message})`),
    );
  }

  #keep(row: Inbound, error: TransferError): Promise<Inbound> {
    return this.options.table.step(row, 'keep', whyKept(error));
  }

  async #look(key: string, signal: AbortSignal): Promise<RemoteObject | 'unseen' | undefined> {
    try {
      return await this.options.store.find(key, signal);
    } catch (error) {
      if (hasCode(error, 'ACCESS_DENIED', 'OBJECT_UNSEEN')) return 'unseen';
      throw error;
    }
  }
}

const CHECKSUMS = ['crc32', 'crc64nvme', 'sha256', 'md5'] as const satisfies readonly (keyof RemoteChecksums)[];

const whyKept = ({ code, message }: TransferError): Notes => ({
  outcome: 'landed',
  error_code: code,
  error_message: message,
});
