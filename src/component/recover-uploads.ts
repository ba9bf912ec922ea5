import type { Log } from '../log';
import type { UploadTable } from '../upload/upload-table';
import { VERSION } from '../version';
import type { SendSource } from './source';

/** What was left of the life before goes on, as far as its source is still configured. */
export async function recoverUploads(table: UploadTable, sources: readonly SendSource[], log: Log): Promise<void> {
  const { interrupted, retried, unconfigured } = await table.recover(sources.map(({ id }) => id));
  log.info({ version: VERSION, count: table.tally.queued.files }, 'started');
  if (interrupted > 0) log.info({ count: interrupted }, 'interrupted uploads go on');
  if (retried > 0) log.info({ count: retried }, 'failed files are tried anew');
  if (unconfigured > 0)
    log.warn(
      { count: unconfigured },
      'files of an outbox that is no longer configured are not sent; add it again to send them',
    );
}
