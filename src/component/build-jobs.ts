import { mkdirSync } from 'node:fs';
import type { S3Connection } from '../aws/s3/s3-connection';
import { S3InboxStore } from '../aws/s3/s3-inbox-store';
import { SignedUrlFiles } from '../aws/s3/signed-url-files';
import type { Clock } from '../clock';
import type { Config } from '../config/schema';
import type { Ledger } from '../custody/ledger';
import type { ChooseProxy } from '../domain/choose-proxy';
import { UsageError } from '../domain/errors';
import type { InboxStore } from '../inbox/inbox-store';
import { allowedUrl } from '../jobs/allowed-url';
import { DownloadJob } from '../jobs/download-job';
import { JobQueue, type Route } from '../jobs/job-queue';
import { JobReports } from '../jobs/job-reports';
import { JobRequests } from '../jobs/job-requests';
import { JobRunner } from '../jobs/job-runner';
import { Jobs } from '../jobs/jobs';
import { JobsTable } from '../jobs/jobs-table';
import { Staging } from '../jobs/staging';
import { UploadJob } from '../jobs/upload-job';
import type { ServerClock } from '../link/server-clock';
import type { Log } from '../log';
import type { Bus } from '../messages/bus';
import { readBootId } from './boot-id';
import { readCa } from './build-store';
import type { JobSources } from './job-sources';

export interface JobsSurroundings {
  readonly ledger: Ledger;
  readonly bus: Bus;
  readonly route: Route;
  /** Absent where no bucket is configured. */
  readonly connection: S3Connection | undefined;
  readonly sources: JobSources | undefined;
  readonly serverClock: ServerClock;
  readonly chooseProxy: ChooseProxy;
  /** Answers do not come. */
  readonly onSilence: () => void;
  readonly clock: Clock;
  readonly dice: () => number;
  readonly log: Log;
  readonly wrapInbox?: (store: InboxStore) => InboxStore;
}

export interface JobsWay {
  readonly jobs: Jobs;
  readonly table: JobsTable;
  /** What has to be heard. */
  readonly topics: readonly string[];
  /** A file that a job asked for has ended its way up. */
  readonly onUploadEnded: () => void;
  close(): void;
}

export const wantsJobs = ({ jobs }: Config): boolean => jobs.dir !== undefined || jobs.uploadRoots.length > 0;

/** IoT Jobs. Nothing of it has started. @throws UsageError */
export function buildJobs(config: Config, surroundings: JobsSurroundings): JobsWay {
  const { jobs, thing, s3, upload } = config;
  const { ledger, bus, route, connection, sources, serverClock, chooseProxy, onSilence, clock, log } = surroundings;
  const { wrapInbox = (store: InboxStore) => store } = surroundings;
  if (thing.name === undefined)
    throw new UsageError('jobs are for a thing; set thing.name, or leave jobs.dir and jobs.uploadRoots out');
  const table = new JobsTable(ledger, () => clock.nowMs());
  const requests = new JobRequests(bus, thing.name, clock, (seconds) =>
    serverClock.learn(new Date(seconds * 1000).toUTCString()),
  );
  const queue = new JobQueue(requests, route);
  const reports = new JobReports(requests, clock, log);
  const allowedHosts = [...jobs.allowedHosts, ...(s3.endpoint === undefined ? [] : [new URL(s3.endpoint).host])];
  const stallMs = upload.stallSeconds * 1000;
  const urls = new SignedUrlFiles({
    ca: s3.caFile === undefined ? undefined : readCa(s3.caFile),
    stallMs,
    chooseProxy,
    isAllowed: (url) => 'url' in allowedUrl(url.href, allowedHosts),
    onServerDate: (date) => serverClock.learn(date),
  });
  const objects =
    connection === undefined
      ? undefined
      : wrapInbox(
          new S3InboxStore({
            connection,
            expectedBucketOwner: s3.expectedBucketOwner,
            copyMaxBytes: 0, // nothing is copied
            heedsConditions: false,
            stallMs,
            log,
          }),
        );
  const folder = jobs.dir;
  if (folder !== undefined)
    try {
      mkdirSync(folder, { recursive: true, mode: 0o755 });
    } catch (error) {
      log.error(
        { path: folder, reason: (error as Error).message },
        'the folder of the jobs cannot be made; see jobs.dir',
      );
    }
  const download =
    folder === undefined
      ? undefined
      : new DownloadJob({ table, folder, urls, objects, bootId: readBootId(), unpackMaxBytes: jobs.unpackMaxBytes });
  const collecting =
    sources === undefined
      ? undefined
      : new UploadJob({ table, ...sources, copyMaxBytes: jobs.copyMaxBytes, roots: jobs.uploadRoots, clock });
  const runner = new JobRunner({
    ...surroundings,
    table,
    queue,
    reports,
    rules: {
      operations: jobs.operations,
      allowedHosts,
      takesFiles: download !== undefined,
      takesKeys: objects !== undefined,
      givesFiles: collecting !== undefined,
    },
    download,
    upload: collecting,
    retryMs: jobs.retryMinutes * 60_000,
    cloudNowMs: () => serverClock.nowMs(),
  });
  const all = new Jobs({
    ...surroundings,
    table,
    requests,
    queue,
    reports,
    runner,
    sweep: (known) => {
      if (folder !== undefined) Staging.sweep(folder, known);
      collecting?.sweep(known);
    },
    onSilence,
  });
  return {
    jobs: all,
    table,
    topics: queue.topics,
    onUploadEnded: () => collecting?.wake(),
    close: () => urls.close(),
  };
}
