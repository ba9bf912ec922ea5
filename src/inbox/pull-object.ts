import { hasCode, TransferError } from '../domain/errors';
import { type LocalPath, localPathOf } from '../domain/local-path';
import { fetchFile, isGone } from '../download/fetch-file';
import { Landing, type OnExisting } from '../download/landing';
import type { Log } from '../log';
import type { Inbound } from './inbound';
import type { InboxArchive } from './inbox-archive';
import type { InboxStore, RemoteObject } from './inbox-store';
import type { InboxTable, Notes } from './inbox-table';
import { ENDED } from './transitions';

export interface PullOptions {
  readonly table: InboxTable;
  readonly store: InboxStore;
  readonly archive: InboxArchive;
  /** Absolute; files land below it. */
  readonly folder: string;
  /** A file's name is what follows the longest of these. */
  readonly prefixes: readonly string[];
  readonly onExisting: OnExisting;
  readonly maxObjectBytes: number | undefined;
  /** Tells this run of the device from those before: what they wrote last may not be on the disk. */
  readonly bootId: string;
  readonly log: Log;
}

/** One object under way. */
export interface PullAttempt {
  /** As the ledger has it now. */
  row: Inbound;
  /** What S3 has said of it in this attempt. */
  remote: RemoteObject | undefined;
  fetchedBytes: number;
}

/**
 * Brings one object down, step by step: each step is in the ledger before the next begins, and may be repeated after a
 * power cut. The object leaves the inbox last, when the file is on disk under its name and the copy is checked.
 */
export class PullObject {
  constructor(private readonly options: PullOptions) {}

  /**
   * @param mayFetch asked once the size is known: an object that has to wait keeps its place in line
   * @throws TransferError, with `attempt.row` as far as it came
   */
  async pull(attempt: PullAttempt, mayFetch: (row: Inbound) => boolean, signal: AbortSignal): Promise<void> {
    while (!ENDED.includes(attempt.row.state)) {
      if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
      if (attempt.row.state === 'fetching' && !mayFetch(attempt.row)) return;
      attempt.row = await this.#advance(attempt, signal);
    }
  }

  /** Only a person can change it. What has come of it goes. */
  async giveUp(row: Inbound, { code, message }: TransferError): Promise<void> {
    if (row.landedPath !== undefined && row.state !== 'wanted') {
      try {
        const landing = this.#open(row);
        landing.discard();
        landing.close();
      } catch {
        // its folder is no folder any more
      }
    }
    await this.options.table.step(row, 'fail', { error_code: code, error_message: message.slice(0, 1_000) });
  }

  #advance(attempt: PullAttempt, signal: AbortSignal): Promise<Inbound> {
    switch (attempt.row.state) {
      case 'wanted':
        return this.#begin(attempt, signal);
      case 'fetching':
        return this.#fetch(attempt, signal);
      case 'landing':
        return this.#land(attempt.row, signal);
      default:
        return this.options.archive.advance(attempt.row, attempt.remote, signal);
    }
  }

  /** Which version there is, and whether it may come. */
  async #begin(attempt: PullAttempt, signal: AbortSignal): Promise<Inbound> {
    const { table, store, maxObjectBytes, bootId, log } = this.options;
    const { row } = attempt;
    const { objectKey } = row;
    const local = this.#localPathOf(objectKey);
    if ('refused' in local)
      throw new TransferError(
        'PATH_REFUSED',
        `${objectKey} cannot be a file here: ${local.refused}; rename the object`,
      );
    const remote = await store.find(objectKey, signal);
    if (remote === undefined)
      return this.#dismiss(row, 'supersede', {
        error_code: 'OBJECT_MISSING',
        error_message: `there is no object ${objectKey} now`,
      });
    attempt.remote = remote;
    const facts = { etag: remote.etag, size_bytes: remote.sizeBytes };
    if (table.hasLanded(row, remote.etag))
      return this.#dismiss(row, 'skip', {
        ...facts,
        outcome: 'skipped',
        error_message: 'this version has landed before',
      });
    if (maxObjectBytes !== undefined && remote.sizeBytes > maxObjectBytes) {
      attempt.row = await table.note(row, facts);
      throw new TransferError(
        'OBJECT_TOO_LARGE',
        `${objectKey} has ${remote.sizeBytes} bytes, inbox.maxObjectBytes lets ${maxObjectBytes} pass; raise it, or send less`,
      );
    }
    if (!this.#isFree(local.path, row.id))
      return table.step(row, 'skip', { ...facts, outcome: 'skipped', error_message: `${local.path} is there already` });
    if (local.isMapped)
      log.warn({ key: objectKey, path: local.path }, 'the object cannot have its own name here and gets another');
    return table.step(row, 'begin', { ...facts, boot_id: bootId, durable_bytes: 0, landed_path: local.path });
  }

  /** Nothing has come. Who asked while the version before was on its way, and gave no id, is told of that one alone. */
  #dismiss(row: Inbound, event: 'skip' | 'supersede', notes: Notes): Promise<Inbound> {
    const { table } = this.options;
    return table.dismiss(row, event, notes, row.request !== undefined || !table.wasAskedMeanwhile(row));
  }

  async #fetch(attempt: PullAttempt, signal: AbortSignal): Promise<Inbound> {
    const { table, store, bootId } = this.options;
    const { row } = attempt;
    const landing = this.#open(row);
    try {
      const remote = await this.#sameVersion(attempt, signal);
      const { crc32, inode, verified } = await fetchFile(
        store.file(row.objectKey),
        remote,
        landing.temporary,
        {
          mode: remote.mode ?? landing.defaultMode,
          mtimeMs: remote.mtimeMs,
          trustedBytes: row.bootId === bootId ? remote.sizeBytes : row.durableBytes,
          onBytes: (bytes) => {
            attempt.fetchedBytes += bytes;
          },
          onDurable: async (durable_bytes) => {
            attempt.row = await table.note(attempt.row, { durable_bytes, boot_id: bootId });
          },
        },
        signal,
      );
      const unverified = verified === 'length' ? { error_message: 'landed, unverified: S3 has no checksum of it' } : {};
      return await table.step(attempt.row, 'verify', { crc32, inode, verified, ...unverified });
    } catch (error) {
      if (!isGone(error)) throw error;
      landing.discard();
      const { code, message } = error as TransferError;
      return await table.follow(attempt.row, 'supersede', { error_code: code, error_message: message });
    } finally {
      landing.close();
    }
  }

  /** An earlier attempt may have landed it, and been killed before it could be noted. */
  async #land(row: Inbound, signal: AbortSignal): Promise<Inbound> {
    const { table, archive, onExisting } = this.options;
    const landing = this.#open(row);
    const file = { inode: row.inode!, sizeBytes: row.sizeBytes!, crc32: row.crc32! };
    try {
      let name = await landing.findLanded(file);
      if (name === undefined) {
        if (!(await landing.holds(file))) {
          landing.discard();
          return await table.step(row, 'refetch', { durable_bytes: 0 });
        }
        name = landing.land(onExisting);
      }
      landing.discard();
      if (name === undefined)
        return await table.step(row, 'skip', {
          outcome: 'skipped',
          error_message: `${row.landedPath} is there already`,
        });
      await landing.sync();
      const folder = row.landedPath!.slice(0, row.landedPath!.lastIndexOf('/') + 1);
      const landed_path = `${folder}${name.toString()}`;
      // One commit for both, where S3 answers; that a file has landed waits for no link.
      const archive_key = await archive.findFreeKey(row, signal).catch(() => undefined);
      if (archive_key === undefined) return await table.step(row, 'land', { landed_path });
      return await table.step(row, 'landToArchive', { landed_path, archive_key });
    } catch (error) {
      if (hasCode(error, 'PATH_REFUSED')) landing.discard(); // it is given up
      throw error;
    } finally {
      landing.close();
    }
  }

  async #sameVersion(attempt: PullAttempt, signal: AbortSignal): Promise<RemoteObject> {
    const { objectKey, etag } = attempt.row;
    attempt.remote ??= await this.options.store.find(objectKey, signal);
    if (attempt.remote === undefined) throw new TransferError('OBJECT_MISSING', `${objectKey} is gone`);
    if (attempt.remote.etag !== etag)
      throw new TransferError('OBJECT_CHANGED', `${objectKey} has been replaced in the meantime`);
    return attempt.remote;
  }

  /** Whether it may land there. What lies under the name of its temporary file is no beginning of it: another ledger left it. */
  #isFree(path: string, id: number): boolean {
    const landing = Landing.open(this.options.folder, path, String(id));
    try {
      landing.discard();
      return this.options.onExisting !== 'skip' || landing.find() === undefined;
    } finally {
      landing.close();
    }
  }

  #open({ id, landedPath }: Inbound): Landing {
    return Landing.open(this.options.folder, landedPath!, String(id));
  }

  #localPathOf(key: string): LocalPath {
    const prefix = this.options.prefixes
      .filter((one) => key.startsWith(one))
      .reduce((longest, one) => (one.length > longest.length ? one : longest), '');
    return localPathOf(key.slice(prefix.length));
  }
}
