import type { MqttBus } from '../aws/mqtt/mqtt-bus';
import type { Config } from '../config/schema';
import type { StatusDocument } from '../control/protocol';
import type { Inbox } from '../inbox/inbox';
import type { Jobs } from '../jobs/jobs';
import type { Link } from '../link/link';
import type { ServerClock } from '../link/server-clock';
import type { Publisher } from '../messages/publisher';
import type { Subscriptions } from '../messages/subscriptions';
import type { AccountGate } from '../upload/account-gate';
import type { MissingActions } from '../upload/missing-actions';
import type { UploadState } from '../upload/transitions';
import type { UploadReader } from '../upload/upload-reader';
import type { Tally } from '../upload/upload-tally';
import { VERSION } from '../version';
import type { Credentials } from './build-credentials';
import type { Source } from './source';

/** What there is of us now; a part that is not configured is absent. */
export interface Parts {
  readonly config: Config;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly tally: Readonly<Record<UploadState, Tally>>;
  readonly active: StatusDocument['active'];
  readonly link: Link | undefined;
  readonly credentials: Credentials | undefined;
  readonly serverClock: ServerClock;
  readonly sources: readonly Source[];
  readonly inbox: Inbox | undefined;
  readonly jobs: Jobs | undefined;
  readonly gate: AccountGate | undefined;
  readonly missing: MissingActions | undefined;
  readonly reader: UploadReader;
  readonly publisher: Publisher | undefined;
  readonly subscriptions: Subscriptions | undefined;
  readonly mqtt: MqttBus | undefined;
  readonly warnings: readonly string[];
}

/** The one document that a person sees. */
export function describeStatus(parts: Parts): StatusDocument {
  const { config, startedAtMs, nowMs, tally, active, link, credentials, serverClock, sources, inbox, jobs } = parts;
  const { gate, missing, reader, mqtt, warnings } = parts;
  const counts = Object.fromEntries(Object.entries(tally).map(([state, { files }]) => [state, files])) as Record<
    UploadState,
    number
  >;
  return {
    version: VERSION,
    pid: process.pid,
    startedAtMs,
    nowMs,
    thing: config.thing.name,
    bucket: config.s3.bucket,
    uploads: { ...counts, queuedBytes: tally.queued.bytes + tally.uploading.bytes, doneBytes: tally.done.bytes },
    active,
    link: link?.status ?? { state: 'up' },
    credentials: credentials?.status ?? { source: 'none', expiresInSeconds: undefined, sources: [] },
    clockOffsetSeconds: Math.round(serverClock.offsetMs / 1000),
    outboxes: sources.map(({ outbox }) => outbox.status),
    inbox: inbox === undefined ? undefined : { folder: config.inbox.dir!, ...inbox.status },
    jobs: jobs?.status,
    refusals: gate?.status() ?? [],
    missing: missing?.status ?? [],
    retrying: reader.retrying(),
    messages: messageStatus(parts),
    mqtt: mqtt?.status,
    warnings: [...(credentials?.warnings ?? []), ...warnings],
  };
}

function messageStatus({ publisher, subscriptions }: Parts): StatusDocument['messages'] {
  if (publisher === undefined) return undefined;
  const { topics = [], problems = [] } = subscriptions?.status ?? {};
  const { stored, dropped, problems: ofPublisher } = publisher.status;
  return { stored, dropped, topics, problems: [...ofPublisher, ...problems] };
}
