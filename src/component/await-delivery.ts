import { existsSync, lstatSync, realpathSync } from 'node:fs';
import type { Clock } from '../clock';
import { UsageError } from '../domain/errors';
import { compareFingerprints, fingerprintOf } from '../domain/fingerprint';
import type { Outbox } from '../outbox/outbox';
import type { UploadSummary } from '../upload/present-upload';
import type { UploadReader } from '../upload/upload-reader';
import type { UploadVersions } from '../upload/upload-versions';

export interface WatchedOutbox {
  readonly id: number;
  /** Absolute. */
  readonly path: string;
  readonly outbox: Outbox;
}

const LOOK_MS = 200;
/** A file that is being claimed is for a moment neither in the outbox nor in the ledger. */
const LOOKS_UNTIL_UNKNOWN = 25;

/**
 * Resolves when the version of a file that lies in an outbox now, or was claimed last, is delivered.
 * @param file absolute
 * @throws UsageError when no outbox has it, or it cannot be delivered
 */
export async function awaitDelivery(
  file: string,
  outboxes: readonly WatchedOutbox[],
  versions: UploadVersions,
  reader: UploadReader,
  clock: Clock,
  signal: AbortSignal,
): Promise<UploadSummary> {
  const found = findOutbox(file, outboxes);
  if (found === undefined) throw new UsageError(`${file} lies in no outbox; courier status names them`);
  const relative = Buffer.from(found.relative);
  if (found.outbox.isIgnored(relative))
    throw new UsageError(`${file} is ignored by its name, it will not be sent; rename it, or see outboxes[].ignore`);
  for (let unknown = 0; unknown < LOOKS_UNTIL_UNKNOWN && !signal.aborted; ) {
    const latest = versions.findLatest(found.id, relative);
    const stats = lstatSync(file, { bigint: true, throwIfNoEntry: false });
    const isNew =
      stats !== undefined &&
      (latest?.batch !== undefined ||
        latest === undefined ||
        compareFingerprints(latest.fingerprint, fingerprintOf(stats)) === 'changed');
    if (!isNew && latest === undefined) unknown += 1;
    else unknown = 0;
    if (!isNew && latest?.state === 'done') return reader.summarize(latest.id);
    if (!isNew && latest?.state === 'failed') {
      const { message } = reader.summarize(latest.id);
      throw new UsageError(`${file} cannot be delivered: ${message}`);
    }
    await clock.sleep(LOOK_MS, signal);
  }
  throw new UsageError(`there is no file ${file}, nor was one sent as far as is remembered; check its name`);
}

/** The outbox may be configured by a path with links in it. */
function findOutbox(
  file: string,
  outboxes: readonly WatchedOutbox[],
): (WatchedOutbox & { readonly relative: string }) | undefined {
  for (const one of outboxes)
    for (const folder of new Set([one.path, existsSync(one.path) ? realpathSync(one.path) : one.path]))
      if (file.startsWith(`${folder}/`)) return { ...one, relative: file.slice(folder.length + 1) };
  return undefined;
}
