import { join } from 'node:path';
import type { Config } from '../config/schema';
import { asTransferError, type ErrorCode, TransferError } from '../domain/errors';
import { fingerprintOf } from '../domain/fingerprint';
import { KeyTemplate } from '../domain/key-template';
import type { JobUploads } from '../jobs/job-uploads';
import type { UploadReader } from '../upload/upload-reader';
import type { UploadTable } from '../upload/upload-table';
import type { SendSource } from './source';
import { thingFields } from './thing-fields';

/** Files that jobs ask for, on their way up: copies in a folder of ours, and large ones where they lie. */
export interface JobSources {
  readonly copyFolder: string;
  readonly sources: readonly SendSource[];
  readonly uploads: JobUploads;
}

const ANY_BATCH = 1;

/** @param on told when there are new rows, and when one has ended and that is durable; `withdraw`: see `JobUploads` */
export async function openJobSources(
  config: Config,
  table: UploadTable,
  reader: UploadReader,
  on: { readonly queued: () => void; readonly ended: () => void } & Pick<JobUploads, 'withdraw'>,
): Promise<JobSources | undefined> {
  const { jobs, state, s3 } = config;
  if (jobs.uploadRoots.length === 0 || s3.bucket === undefined) return undefined;
  const template = new KeyTemplate(jobs.uploadKey, thingFields(config));
  const copyFolder = join(state.dir, 'collected');
  const idOf = new Map<string, number>();
  // By names that no outbox has: the same folder may be one as well.
  for (const root of [copyFolder, ...jobs.uploadRoots]) idOf.set(root, await table.outboxId(`jobs:${root}`));
  const sources = [...idOf].map(
    ([root, id]): SendSource => ({
      id,
      template,
      config: { duplicates: 'send', priority: 0, order: 'oldest' },
      outbox: {
        fileOf: ({ path }) => ({ root, path }),
        delivered: on.ended,
        superseded: on.ended,
        failed: on.ended,
        remainingBatches: () => Promise.resolve([]),
      },
    }),
  );
  const uploads: JobUploads = {
    enqueue: async (files, onRow) => {
      await table.enqueue(
        files.map(({ root, path, keyPath, stats }, index) => ({
          outboxId: idOf.get(root)!,
          path,
          batch: ANY_BATCH, // so that its row may be forgotten like a claimed file's
          note: undefined,
          sizeBytes: Number(stats.size),
          fingerprint: fingerprintOf(stats),
          newestFirst: false,
          replaces: undefined,
          keyFor: (id) => {
            try {
              return template.keyFor({ path: keyPath, mtimeMs: Number(stats.mtimeMs), id });
            } catch (error) {
              return asTransferError(error);
            }
          },
          onInserted: (id) => onRow(index, id),
        })),
      );
      on.queued();
    },
    look: (ids) => {
      const { open, partBytes } = reader.lookAt(ids);
      const problemOf = ({ code, message }: (typeof open)[number]) =>
        code === null ? undefined : new TransferError(code as ErrorCode, message ?? code);
      return {
        open: open.map((each) => ({ state: each.state, files: each.files, problem: problemOf(each) })),
        partBytes,
      };
    },
    find: (id) => {
      const found = reader.find(id);
      return found === undefined ? undefined : { state: found.state as 'queued', reason: found.message };
    },
    withdraw: on.withdraw,
  };
  return { copyFolder, sources, uploads };
}
