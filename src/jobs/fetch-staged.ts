import { hasCode, TransferError } from '../domain/errors';
import { fetchFile } from '../download/fetch-file';
import type { RemoteFile, RemoteVersion } from '../download/remote-object';
import type { JobFile } from './job-document';
import type { JobObjects } from './job-objects';
import type { Job, JobFileRow, JobsTable } from './jobs-table';
import type { Staging } from './staging';
import type { UrlAnswer, UrlFiles } from './url-files';

export interface FetchSources {
  readonly table: JobsTable;
  readonly urls: UrlFiles;
  /** Absent: there is no bucket. */
  readonly objects: JobObjects | undefined;
  /** Tells this run of the device from those before: what they wrote last may not be on the disk. */
  readonly bootId: string;
}

/** Asks for the document anew. @returns its files, with fresh URLs @throws TransferError of the bus, STOPPING */
export type Renew = () => Promise<readonly JobFile[]>;

interface Remote {
  readonly version: RemoteVersion;
  readonly file: RemoteFile;
  readonly mtimeMs?: number | undefined;
  readonly mode?: number | undefined;
}

/**
 * Fetches one file of a job, on from what is here of the same version, whole, verified and on disk.
 * @param renew for where the URL has expired meanwhile
 * @param onBytes told how many more there are
 * @param onSize told once, before the first byte
 * @throws TransferError; OBJECT_CHANGED when another version stands there now: the next attempt takes that one
 */
export async function fetchStaged(
  { table, urls, objects, bootId }: FetchSources,
  job: Job,
  number: number,
  file: JobFile,
  staging: Staging,
  renew: Renew,
  on: { readonly size: (bytes: number) => void; readonly bytes: (bytes: number) => void },
  signal: AbortSignal,
): Promise<JobFileRow> {
  let row = await table.file(job, number, file);
  if (row.state === 'staged' && staging.has(number)) {
    on.size(row.sizeBytes!);
    on.bytes(row.sizeBytes!);
    return row;
  }
  if (!staging.has(number)) row = await restart(row);
  /** Nobody has read it yet. */
  let first: UrlAnswer | undefined;
  try {
    const remote = 'url' in file.from ? await beginUrl(file.from.url) : await beginKey(file.from.key);
    const { sizeBytes } = remote.version;
    if (file.sizeBytes !== undefined && file.sizeBytes !== sizeBytes)
      throw new TransferError(
        'DOWNLOAD_DAMAGED',
        `the job says ${file.sizeBytes} bytes, ${file.source} has ${sizeBytes}; correct the one or the other`,
      );
    on.size(sizeBytes);
    const { verified, inode } = await fetchFile(
      remote.file,
      {
        ...remote.version,
        checksums: { ...remote.version.checksums, sha256: file.sha256 ?? remote.version.checksums.sha256 },
      },
      staging.file(number),
      {
        mode: file.mode ?? remote.mode ?? staging.defaultMode,
        mtimeMs: remote.mtimeMs,
        trustedBytes: row.bootId === bootId ? sizeBytes : row.durableBytes,
        onBytes: on.bytes,
        onDurable: async (durable_bytes) => {
          row = await table.note(job, row, { durable_bytes, boot_id: bootId });
        },
      },
      signal,
    );
    return await table.note(job, row, { state: 'staged', verified, inode });
  } catch (error) {
    if (hasCode(error, 'OBJECT_CHANGED')) await restart(row);
    throw error;
  } finally {
    if (first !== undefined) await leave(first.body);
  }

  async function restart(known: JobFileRow): Promise<JobFileRow> {
    staging.remove(number);
    const isNew = known.state === 'wanted' && known.etag === undefined && known.durableBytes === 0;
    return isNew ? known : table.note(job, known, { state: 'wanted', etag: null, durable_bytes: 0, boot_id: null });
  }

  /** Its size and ETag come with its bytes: the first answer is kept for those. */
  async function beginUrl(url: URL): Promise<Remote> {
    let version: RemoteVersion;
    if (row.etag === undefined) {
      first = await urls.get(url, 0, undefined, signal);
      version = first.version;
      row = await keep(version);
    } else version = { etag: row.etag, sizeBytes: row.sizeBytes!, checksums: { md5: row.md5 } };
    const open: RemoteFile['open'] = async (_, fromByte) => {
      const answer = first ?? (await goOn(url, fromByte, version.etag));
      first = undefined;
      if (answer.version.etag === version.etag && answer.version.sizeBytes === version.sizeBytes)
        return from(answer, fromByte);
      await leave(answer.body);
      throw new TransferError('OBJECT_CHANGED', `${file.source} has been replaced in the meantime`);
    };
    return { version, file: { open } };
  }

  /** Much that is here takes long to be looked through, and would have to be once more after a failure. */
  async function goOn(url: URL, fromByte: number, etag: string): Promise<UrlAnswer> {
    try {
      return await urls.get(url, fromByte, etag, signal);
    } catch (error) {
      if (fromByte === 0 || !hasCode(error, 'URL_EXPIRED')) throw error;
      const again = (await renew())[number];
      if (again?.source !== file.source || !('url' in again.from)) throw error;
      return urls.get(again.from.url, fromByte, etag, signal);
    }
  }

  async function beginKey(key: string): Promise<Remote> {
    const found = await objects!.find(key, signal);
    if (found === undefined)
      throw new TransferError('URL_REFUSED', `there is no object ${key}; put it there, and send the job again`);
    if (row.etag !== found.etag) {
      await restart(row);
      row = await keep(found);
    }
    return { version: found, file: objects!.file(key), mtimeMs: found.mtimeMs, mode: found.mode };
  }

  /** Which version the bytes to come are of. One without an ETag cannot be gone on with. */
  function keep({ etag, sizeBytes, checksums }: RemoteVersion): Promise<JobFileRow> {
    staging.remove(number);
    return table.note(job, row, {
      state: 'wanted',
      etag: /^"/.test(etag) ? etag : null,
      md5: checksums.md5 ?? null,
      size_bytes: sizeBytes,
      durable_bytes: 0,
      boot_id: bootId,
    });
  }
}

/** From that byte on, also where a server knows no ranges. */
async function* from({ body, fromByte }: UrlAnswer, wanted: number): AsyncIterable<Buffer> {
  let skip = wanted - fromByte;
  for await (const bytes of body) {
    if (skip < bytes.length) yield skip > 0 ? bytes.subarray(skip) : bytes;
    skip = Math.max(0, skip - bytes.length);
  }
}

/** Closes it. What goes wrong with it says nothing any more. */
async function leave(body: AsyncIterable<Buffer>): Promise<void> {
  try {
    for await (const _ of body) break;
  } catch {
    // it is closed
  }
}
