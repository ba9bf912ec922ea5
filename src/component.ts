import { EventEmitter, on } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { S3Connection } from './aws/s3/s3-connection';
import type { Clock } from './clock';
import { awaitDelivery } from './component/await-delivery';
import { buildInbox } from './component/build-inbox';
import { buildJobs, type JobsWay, wantsJobs } from './component/build-jobs';
import { buildLink } from './component/build-link';
import { buildOutbox } from './component/build-outbox';
import type { SurroundingProxy } from './component/build-proxy';
import { buildStore } from './component/build-store';
import { buildSubscriptions } from './component/build-subscriptions';
import { buildUpload, type UploadWay } from './component/build-upload';
import { buildWayOut, type WayOut } from './component/build-way-out';
import { deliveredMessage } from './component/delivered-message';
import { describeStatus } from './component/describe-status';
import { type JobSources, openJobSources } from './component/job-sources';
import { MIGRATIONS } from './component/migrations';
import { recoverUploads } from './component/recover-uploads';
import type { Source } from './component/source';
import { thingFields } from './component/thing-fields';
import type { Config, OutboxConfig, UploadConfig } from './config/schema';
import { answerControl } from './control/answer-control';
import { ControlServer } from './control/control-server';
import {
  type DeliveryEvent,
  type StatusDocument,
  socketPath,
  type UploadDetails,
  type UploadSummary,
} from './control/protocol';
import { Ledger } from './custody/ledger';
import { UsageError } from './domain/errors';
import { KeyTemplate } from './domain/key-template';
import { printableName } from './domain/printable-name';
import type { Inbox } from './inbox/inbox';
import type { InboxStore } from './inbox/inbox-store';
import type { Link } from './link/link';
import type { Log } from './log';
import type { Bus, Channel } from './messages/bus';
import { PublicationTable } from './messages/publication-table';
import { Publisher } from './messages/publisher';
import type { Outbox } from './outbox/outbox';
import type { ObjectStore } from './upload/object-store';
import type { UploadState } from './upload/transitions';
import { UploadReader } from './upload/upload-reader';
import type { Upload } from './upload/upload-row';
import { UploadTable } from './upload/upload-table';

/** What only the process's edge knows. */
export interface Edge {
  /** Offered by the Greengrass nucleus where it runs us. */
  readonly tokenExchange: { readonly uri: string; readonly authorization: string } | undefined;
  /** The environment's proxy. */
  readonly proxy?: SurroundingProxy;
  /** better-sqlite3's binary, where it lies beside the bundle. */
  readonly nativeBinding?: string | undefined;
  /** The bundle of the thread that large claims have; without it they are made in this one. */
  readonly claimThread?: string | undefined;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
  /** Ways for messages that there are here: the nucleus's. */
  readonly buses?: Readonly<Partial<Record<Channel, Bus>>>;
  /** What a person should know of what surrounds us; each ends with the next step. */
  readonly warnings?: () => readonly string[];
  /** Stands between us and S3 in tests that kill us in the middle of a call. */
  readonly wrapStore?: (store: ObjectStore) => ObjectStore;
  readonly wrapInbox?: (store: InboxStore) => InboxStore;
}

/** The composition root: the only place that constructs things. Starts in order, stops in reverse. */
export class Component {
  readonly #startedAtMs: number;
  readonly #wayOut: WayOut;
  readonly #ledger: Ledger;
  readonly #table: UploadTable;
  readonly #reader: UploadReader;
  readonly #control: ControlServer;
  readonly #publications: PublicationTable;
  readonly #publisher: Publisher | undefined;
  /** Everybody reads it at each use: it is changed in place. */
  readonly #limits: UploadConfig;
  #config: Config;
  #connection: S3Connection | undefined;
  #link: Link | undefined;
  #up: UploadWay | undefined;
  #inbox: Inbox | undefined;
  #jobSources: JobSources | undefined;
  #jobs: JobsWay | undefined;
  #messages: ReturnType<typeof buildSubscriptions> | undefined;
  #sources: readonly Source[] = [];
  #onBroken: (error: unknown) => void = () => undefined;
  readonly #ended = new EventEmitter();

  /** @throws UsageError for a configuration that cannot work, another instance, a state folder without rights */
  constructor(
    config: Config,
    private readonly edge: Edge,
  ) {
    const { clock, log, nativeBinding } = edge;
    this.#wayOut = buildWayOut(config, edge, () => this.#retryCredentials());
    this.#config = config;
    this.#limits = { ...config.upload };
    this.#startedAtMs = clock.nowMs();
    this.#ledger = Ledger.open({ dir: config.state.dir, migrations: MIGRATIONS, nativeBinding, clock, log });
    this.#table = new UploadTable(
      this.#ledger,
      () => clock.nowMs(),
      () => this.#up?.sweeper.wake(),
      (row, outcome) => this.#delivered(row, outcome),
    );
    this.#publications = new PublicationTable(this.#ledger);
    this.#publisher =
      this.#wayOut.buses === undefined
        ? undefined
        : new Publisher({ ...edge, buses: this.#wayOut.buses, table: this.#publications });
    this.#reader = new UploadReader(this.#ledger);
    this.#control = new ControlServer(
      socketPath(config.state.dir),
      (request, signal) => answerControl(request, this, signal),
      log,
    );
  }

  /** @param onBroken a part of us threw what nobody foresaw: the process should end, and be started again */
  async start(onBroken: (error: unknown) => void): Promise<this> {
    const { log, clock } = this.edge;
    this.#onBroken = onBroken;
    const templates = this.#config.outboxes.map(({ key }) => new KeyTemplate(key, thingFields(this.#config)));
    await this.#control.start();
    this.#watch(this.#wayOut.mqtt?.start());
    this.#wayOut.credentials?.start();
    this.#watch(this.#publisher?.start());
    for (const warning of this.#wayOut.credentials?.warnings ?? []) log.warn({ reason: warning }, 'look at this');
    const sources: Source[] = [];
    for (const [i, config] of this.#config.outboxes.entries()) {
      const id = await this.#table.outboxId(config.path);
      const template = templates[i]!;
      sources.push({ path: config.path, config, id, template, outbox: this.#openOutbox(config, id, template) });
    }
    const jobsToo = wantsJobs(this.#config);
    if (jobsToo)
      this.#jobSources = await openJobSources(this.#config, this.#table, this.#reader, {
        queued: () => this.#up?.worker.wake(),
        ended: () => this.#jobs?.onUploadEnded(),
        withdraw: (ids) => (this.#up?.worker ?? this.#table).withdraw(ids),
      });
    await recoverUploads(this.#table, [...sources, ...(this.#jobSources?.sources ?? [])], log);
    const { inbox, s3 } = this.#config;
    if (sources.length === 0 && inbox.dir === undefined && !jobsToo) {
      log.warn(
        {},
        'neither an outbox, an inbox nor jobs are configured, nothing to do; set s3.bucket, and outboxes, inbox.dir or jobs.dir',
      );
      return this;
    }
    // A device of jobs alone may have a bucket named, and no credentials: URLs bring their own.
    if (s3.bucket !== undefined && this.#wayOut.credentials !== undefined) this.#connect(sources);
    if (jobsToo) this.#takeJobs();
    this.#listen();
    log.debug({ ms: Math.round(clock.nowMs() - this.#startedAtMs) }, 'running');
    return this;
  }

  /** Takes up other limits, rules and intervals; uploads under way go on. What else differs needs a new component. */
  async adjust(config: Config): Promise<void> {
    Object.assign(this.#limits, config.upload);
    for (const [i, source] of this.#sources.entries()) {
      const next = config.outboxes[i]!;
      if (isDeepStrictEqual(next, source.config)) continue;
      await source.outbox.stop();
      source.config = next;
      source.outbox = this.#openOutbox(next, source.id, source.template);
      source.outbox.start();
      this.#watch(source.outbox);
    }
    this.#config = config;
    this.#up?.worker.wake();
  }

  async stop(): Promise<void> {
    const credentialsStopped = this.#wayOut.credentials?.stop(); // who waits for a token is not waited for
    await Promise.all(this.#sources.map(({ outbox }) => outbox.stop()));
    const { worker, sweeper, history } = this.#up ?? {};
    this.#messages?.unlisten();
    const { inbox, link, publisher } = { inbox: this.#inbox, link: this.#link, publisher: this.#publisher };
    const parts = [this.#messages?.subscriptions, worker, sweeper, history, inbox, this.#jobs?.jobs, link, publisher];
    await Promise.all(parts.map((part) => part?.stop()));
    this.#jobs?.close();
    await this.#wayOut.mqtt?.stop();
    await credentialsStopped;
    this.#connection?.close();
    await this.#control.stop();
    this.#ledger.close();
    this.edge.log.info({}, 'stopped');
  }

  /** Rows that are not ended. */
  get waiting(): number {
    const { queued, uploading } = this.#table.tally;
    return queued.files + uploading.files + (this.#inbox?.status.open ?? 0) + (this.#jobs?.table.open().length ?? 0);
  }

  /** Under way. */
  get active(): StatusDocument['active'] {
    return (this.#up?.worker.active ?? []).map((attempt) => ({
      id: attempt.row.id,
      path: printableName(attempt.row.path),
      key: attempt.row.objectKey,
      sizeBytes: attempt.row.sizeBytes,
      sentBytes: attempt.sentBytes,
    }));
  }

  /** What may be said has changed, perhaps. */
  retryMessages(): void {
    this.#publisher?.retry();
  }

  status(): StatusDocument {
    return describeStatus({
      ...this.#wayOut,
      config: this.#config,
      startedAtMs: this.#startedAtMs,
      nowMs: this.edge.clock.nowMs(),
      tally: this.#table.tally,
      active: this.active,
      link: this.#link,
      sources: this.#sources,
      inbox: this.#inbox,
      jobs: this.#jobs?.jobs,
      gate: this.#up?.gate,
      missing: this.#up?.missing,
      reader: this.#reader,
      publisher: this.#publisher,
      subscriptions: this.#messages?.subscriptions,
      warnings: this.edge.warnings?.() ?? [],
    });
  }

  /** Uploads in a state, newest first. */
  list(state: UploadState | undefined, before = Number.MAX_SAFE_INTEGER, limit = 100): UploadSummary[] {
    return this.#reader.list(state, before, limit);
  }

  /** Looks through the inbox, or fetches objects by name. @returns why some cannot be asked for @throws UsageError */
  async pull(keys: readonly string[]): Promise<{ readonly refused: readonly string[] }> {
    if (this.#inbox === undefined)
      throw new UsageError('no inbox is configured; set inbox.dir, the folder that files are to come down to');
    if (keys.length > 0) return { refused: await this.#inbox.pull(keys, undefined) };
    this.#inbox.look();
    return { refused: [] };
  }

  awaitDelivery(file: string, signal: AbortSignal): Promise<UploadSummary> {
    return awaitDelivery(file, this.#sources, this.#table.versions, this.#reader, this.edge.clock, signal);
  }

  /** What ends from now on. */
  async *events(signal: AbortSignal): AsyncIterable<DeliveryEvent> {
    for await (const [event] of on(this.#ended, 'upload', { signal })) yield event as DeliveryEvent;
  }

  find(id: number): UploadDetails | undefined {
    return this.#reader.find(id);
  }

  /** What needs the bucket: the way up, and the way down. */
  #connect(sources: readonly Source[]): void {
    const { edge } = this;
    const config = this.#config;
    const credentials = this.#wayOut.credentials!; // the configuration was refused without them
    const { connection, store } = buildStore(config, {
      ...edge,
      credentials: credentials.cache,
      serverClock: this.#wayOut.serverClock,
      chooseProxy: this.#wayOut.chooseProxy,
    });
    this.#connection = connection;
    const onUp = (): void => {
      this.#up?.worker.wake();
      this.#up?.sweeper.wake();
      this.#inbox?.wake();
      this.#jobs?.jobs.wake();
      this.#wayOut.mqtt?.wake();
    };
    const link = buildLink(connection, credentials, this.#limits, onUp, edge);
    this.#link = link;
    this.#up = buildUpload({
      ...edge,
      ledger: this.#ledger,
      table: this.#table,
      reader: this.#reader,
      link,
      store: edge.wrapStore?.(store) ?? store,
      sources: [...sources, ...(this.#jobSources?.sources ?? [])],
      limits: this.#limits,
      historyFiles: config.state.historyFiles,
      credentialsAgainAtMs: () => credentials.againAtMs,
      ended: this.#ended,
    });
    this.#inbox = buildInbox(config, {
      ...edge,
      ledger: this.#ledger,
      connection,
      link,
      publications: this.#publications,
      channels: Object.keys(this.#wayOut.buses ?? {}) as Channel[],
      onStored: () => this.#publisher?.wake(),
    });
    const { worker, sweeper, history } = this.#up;
    this.#watch(worker.start());
    this.#sources = sources;
    for (const { outbox } of sources) {
      outbox.start();
      this.#watch(outbox);
    }
    this.#watch(sweeper.start());
    this.#watch(history.start());
    this.#watch(this.#inbox?.start());
  }

  #takeJobs(): void {
    const bus = this.#wayOut.buses?.cloud;
    if (bus === undefined) {
      this.edge.log.warn({}, 'jobs come by messages, and there is no way for them; set mqtt.endpoint');
      return;
    }
    this.#jobs = buildJobs(this.#config, {
      ...this.edge,
      ...this.#wayOut,
      ledger: this.#ledger,
      bus,
      route: this.edge.buses?.cloud === undefined ? 'direct' : 'nucleus',
      connection: this.#connection,
      sources: this.#jobSources,
      onSilence: () => this.#messages?.subscriptions.renew(),
    });
    this.#watch(this.#jobs.jobs.start());
  }

  /** What may be asked of us by message. */
  #listen(): void {
    const bus = this.#wayOut.buses?.cloud;
    const listeners = { inbox: this.#inbox, jobs: this.#jobs };
    if (bus === undefined || (listeners.inbox === undefined && listeners.jobs === undefined)) return;
    this.#messages = buildSubscriptions(listeners, bus, this.#config, this.#onBroken, this.edge);
    this.#watch(this.#messages.subscriptions.start());
  }

  /** Who waited for them need not wait for their turn. */
  #retryCredentials(): void {
    this.#up?.gate.retryCredentials();
    this.#link?.wake();
    this.#up?.worker.wake();
    this.#inbox?.wake();
  }

  #openOutbox(config: OutboxConfig, id: number, template: KeyTemplate): Outbox {
    return buildOutbox(config, id, template, this.#table, {
      stateDir: this.#config.state.dir,
      onQueued: () => this.#up?.worker.wake(),
      ...this.edge,
    });
  }

  #watch(part: { readonly finished: Promise<unknown> } | undefined): void {
    part?.finished.catch((error: unknown) => this.#onBroken(error));
  }

  /** Inside the transaction that ends the row; the publisher sees it after the commit. */
  #delivered(row: Upload, outcome: 'delivered' | 'skipped'): void {
    const { id, path, objectKey: key, sizeBytes, outboxId } = row;
    const outbox = this.#sources.find((source) => source.id === outboxId)?.path;
    if (outbox === undefined) this.#jobs?.table.noteSent(id);
    if (outbox === undefined || this.#wayOut.buses?.local === undefined) return;
    const { thing, s3, greengrass } = this.#config;
    const payload = deliveredMessage({
      id: `${this.#ledger.id}-${id}`,
      thing: thing.name,
      outbox,
      path,
      bucket: s3.bucket,
      key,
      sizeBytes,
      outcome,
    });
    this.#publications.add({ channel: 'local', topic: greengrass.deliveredTopic, payload });
    setImmediate(() => this.#publisher?.wake());
  }
}
