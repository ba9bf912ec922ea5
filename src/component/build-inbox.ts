import type { S3Connection } from '../aws/s3/s3-connection';
import { S3InboxStore } from '../aws/s3/s3-inbox-store';
import type { Clock } from '../clock';
import type { Config } from '../config/schema';
import type { Ledger } from '../custody/ledger';
import { makeFolderDurably } from '../custody/make-folder';
import { Inbox } from '../inbox/inbox';
import { InboxArchive } from '../inbox/inbox-archive';
import type { InboxStore } from '../inbox/inbox-store';
import { InboxTable } from '../inbox/inbox-table';
import { InboxWorker } from '../inbox/inbox-worker';
import { PullObject } from '../inbox/pull-object';
import type { Link } from '../link/link';
import type { Log } from '../log';
import type { Channel } from '../messages/bus';
import type { PublicationTable } from '../messages/publication-table';
import { readBootId } from './boot-id';
import { inboundResult, landedMessage, refusedResult } from './inbox-messages';

export interface InboxSurroundings {
  readonly ledger: Ledger;
  readonly connection: S3Connection;
  readonly link: Link;
  readonly publications: PublicationTable;
  /** Which ways for messages there are. */
  readonly channels: readonly Channel[];
  /** There is a new message. */
  readonly onStored: () => void;
  /** Stands between us and S3 in tests that kill us in the middle of a call. */
  readonly wrapInbox?: ((store: InboxStore) => InboxStore) | undefined;
  readonly clock: Clock;
  readonly dice: () => number;
  readonly log: Log;
}

/** What CopyObject takes at once. */
const COPY_MAX_BYTES = 5_000_000_000;
/** Where nothing is looked for by the clock. */
const UNSEEN_PROBE_MS = 3_600_000;

/** The way down, or undefined where no folder is configured for it. */
export function buildInbox(config: Config, surroundings: InboxSurroundings): Inbox | undefined {
  const { inbox, s3, upload, thing, state } = config;
  const { ledger, connection, link, publications, channels, onStored, wrapInbox, clock, dice, log } = surroundings;
  const folder = inbox.dir;
  if (folder === undefined) return undefined;
  makeFolderDurably(folder, 0o755);
  const forThing = (text: string): string => text.replaceAll('{thing}', thing.name ?? '');
  const [prefix, archivePrefix] = [forThing(inbox.prefix), forThing(inbox.archivePrefix)];
  const allowedPrefixes = inbox.allowedPrefixes?.map(forThing) ?? [prefix];
  const tell = (result: object): void => {
    if (!channels.includes('cloud')) return;
    publications.addToList({ channel: 'cloud', topic: forThing(inbox.resultTopic) }, { thing: thing.name }, result);
  };
  const table = new InboxTable(
    ledger,
    () => clock.nowMs(),
    (row, has) => {
      if (has !== 'landed') tell(inboundResult(row));
      else if (channels.includes('local'))
        publications.add({ channel: 'local', topic: inbox.landedTopic, payload: landedMessage(row, folder) });
      setImmediate(onStored);
    },
  );
  const plain = new S3InboxStore({
    connection,
    expectedBucketOwner: s3.expectedBucketOwner,
    copyMaxBytes: COPY_MAX_BYTES,
    heedsConditions: s3.endpoint === undefined,
    stallMs: upload.stallSeconds * 1000,
    log,
  });
  const store = wrapInbox?.(plain) ?? plain;
  const archive = new InboxArchive({ table, store, prefix, archivePrefix, clock, log });
  const pull = new PullObject({
    table,
    store,
    archive,
    folder,
    prefixes: [prefix, ...allowedPrefixes.filter((one) => one.endsWith('/'))],
    onExisting: inbox.onExisting,
    maxObjectBytes: inbox.maxObjectBytes,
    bootId: readBootId(),
    log,
  });
  const worker = new InboxWorker({
    table,
    pull,
    link,
    parallelObjects: inbox.parallelObjects,
    retryMaxMs: upload.retryMaxSeconds * 1000,
    accountProbeMaxMs: upload.probeMaxSeconds * 1000,
    unseenProbeMs: Math.max(inbox.pollMinutes * 60_000 || UNSEEN_PROBE_MS, upload.probeMaxSeconds * 1000),
    clock,
    dice,
    log,
  });
  return new Inbox({
    table,
    store,
    worker,
    archive,
    link,
    bucket: connection.bucket,
    prefix,
    allowedPrefixes,
    only: inbox.only,
    keys: inbox.keys,
    pollMs: inbox.pollMinutes * 60_000,
    historyObjects: state.historyFiles,
    onRefused: (reason, id) => {
      log.warn({ reason }, 'a request for the inbox is refused');
      void ledger.write(() => tell(refusedResult(reason, id))).then(onStored, () => undefined);
    },
    clock,
    dice,
    log,
  });
}
