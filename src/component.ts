import { EventEmitter, on } from 'node:events';
import type { S3Connection } from './aws/s3/s3-connection';
import type { Clock } from './clock';
import { awaitDelivery } from './component/await-delivery';
import { buildCredentials, type Credentials } from './component/build-credentials';
import { buildOutbox } from './component/build-outbox';
import { buildStore } from './component/build-store';
import { thingFields } from './component/thing-fields';
import type { Config, OutboxConfig } from './config/schema';
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
import { hasCode } from './domain/errors';
import { KeyTemplate } from './domain/key-template';
import { printableName } from './domain/printable-name';
import { Link } from './link/link';
import { ServerClock } from './link/server-clock';
import type { Log } from './log';
import type { Outbox } from './outbox/outbox';
import { AccountGate } from './upload/account-gate';
import { BufferPool } from './upload/buffer-pool';
import { ExistingObject } from './upload/existing-object';
import { History } from './upload/history';
import { MultipartUpload } from './upload/multipart-upload';
import type { ObjectStore } from './upload/object-store';
import { OrphanSweeper } from './upload/orphan-sweeper';
import { PartTable } from './upload/part-table';
import { sendFile } from './upload/send-file';
import { SinglePut } from './upload/single-put';
import type { UploadState } from './upload/transitions';
import type { UploadAttempt } from './upload/upload-attempt';
import { UploadReader } from './upload/upload-reader';
import { UPLOAD_MIGRATIONS } from './upload/upload-schema';
import { UploadTable } from './upload/upload-table';
import { type UploadSource, UploadWorker } from './upload/upload-worker';
import { VERSION } from './version';

/** What only the process's edge knows. */
export interface Edge {
  /** Offered by the Greengrass nucleus where it runs us. */
  readonly tokenExchange: { readonly uri: string; readonly authorization: string } | undefined;
  /** better-sqlite3's binary, where it lies beside the bundle. */
  readonly nativeBinding?: string | undefined;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
  /** Stands between us and S3 in tests that kill us in the middle of a call. */
  readonly wrapStore?: (store: ObjectStore) => ObjectStore;
}

interface Source {
  readonly path: string;
  readonly config: OutboxConfig;
  readonly id: number;
  readonly template: KeyTemplate;
  readonly outbox: Outbox;
}

const LINK_PROBE_MAX_MS = 60_000;

/** The composition root: the only place that constructs things. Starts in order, stops in reverse. */
export class Component {
  readonly #startedAtMs: number;
  readonly #serverClock: ServerClock;
  readonly #ledger: Ledger;
  readonly #table: UploadTable;
  readonly #reader: UploadReader;
  readonly #control: ControlServer;
  readonly #credentials: Credentials | undefined;
  #connection: S3Connection | undefined;
  #gate: AccountGate | undefined;
  #link: Link | undefined;
  #worker: UploadWorker | undefined;
  #sweeper: OrphanSweeper | undefined;
  #history: History | undefined;
  #sources: readonly Source[] = [];
  readonly #ended = new EventEmitter();

  /** @throws UsageError for a configuration that cannot work, another instance, a state folder without rights */
  constructor(
    private readonly config: Config,
    private readonly edge: Edge,
  ) {
    const { clock, log, nativeBinding } = edge;
    this.#startedAtMs = clock.nowMs();
    this.#serverClock = new ServerClock(clock);
    this.#credentials = buildCredentials(config, { ...edge, serverClock: this.#serverClock });
    this.#ledger = Ledger.open({ dir: config.state.dir, migrations: UPLOAD_MIGRATIONS, nativeBinding, clock, log });
    this.#table = new UploadTable(
      this.#ledger,
      () => clock.nowMs(),
      () => this.#sweeper?.wake(),
    );
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
    const templates = this.config.outboxes.map(({ key }) => new KeyTemplate(key, thingFields(this.config)));
    await this.#control.start();
    for (const warning of this.#credentials?.warnings ?? []) log.warn({ reason: warning }, 'look at this');
    const sources: Source[] = [];
    for (const [i, config] of this.config.outboxes.entries()) {
      const id = await this.#table.outboxId(config.path);
      const template = templates[i]!;
      sources.push({ path: config.path, config, id, template, outbox: this.#openOutbox(config, id, template) });
    }
    const { interrupted, retried, unconfigured } = await this.#table.recover(sources.map(({ id }) => id));
    log.info({ version: VERSION, count: this.#table.tally.queued.files }, 'started');
    if (interrupted > 0) log.info({ count: interrupted }, 'interrupted uploads go on');
    if (retried > 0) log.info({ count: retried }, 'failed files are tried anew');
    if (unconfigured > 0)
      log.warn(
        { count: unconfigured },
        'files of an outbox that is no longer configured are not sent; add it again to send them',
      );
    if (sources.length === 0) {
      log.warn({}, 'no outbox is configured, nothing to send; add outboxes: to the configuration');
      return this;
    }
    const { connection, store: plainStore } = buildStore(this.config, {
      ...this.edge,
      credentials: this.#credentials!.cache, // the configuration was refused without them
      serverClock: this.#serverClock,
    });
    this.#connection = connection;
    const store = this.edge.wrapStore?.(plainStore) ?? plainStore;
    this.#worker = this.#buildWorker(sources, store).start();
    this.#sources = sources;
    for (const { outbox } of sources) outbox.start();
    this.#sweeper = new OrphanSweeper(this.#ledger, store, this.#link!, clock, log).start();
    this.#history = new History(
      this.#ledger,
      sources.map(({ id, outbox }) => ({ outboxId: id, remainingBatches: () => outbox.remainingBatches() })),
      this.config.state.historyFiles,
      clock,
    ).start();
    for (const part of [this.#worker, this.#sweeper, this.#history, ...sources.map(({ outbox }) => outbox)])
      part.finished.catch(onBroken);
    log.debug({ ms: Math.round(clock.nowMs() - this.#startedAtMs) }, 'running');
    return this;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sources.map(({ outbox }) => outbox.stop()));
    await Promise.all([this.#worker?.stop(), this.#sweeper?.stop(), this.#history?.stop(), this.#link?.stop()]);
    this.#connection?.close();
    await this.#control.stop();
    this.#ledger.close();
    this.edge.log.info({}, 'stopped');
  }

  status(): StatusDocument {
    const { tally } = this.#table;
    const counts = Object.fromEntries(Object.entries(tally).map(([state, { files }]) => [state, files])) as Record<
      UploadState,
      number
    >;
    return {
      version: VERSION,
      pid: process.pid,
      startedAtMs: this.#startedAtMs,
      nowMs: this.edge.clock.nowMs(),
      thing: this.config.thing.name,
      bucket: this.config.s3.bucket,
      uploads: { ...counts, queuedBytes: tally.queued.bytes + tally.uploading.bytes, doneBytes: tally.done.bytes },
      active: (this.#worker?.active ?? []).map((attempt) => ({
        id: attempt.row.id,
        path: printableName(attempt.row.path),
        key: attempt.row.objectKey,
        sizeBytes: attempt.row.sizeBytes,
        sentBytes: attempt.sentBytes,
      })),
      link: this.#link?.status ?? { state: 'up' },
      credentials: {
        source: this.#credentials?.source ?? 'none',
        expiresInSeconds: this.#credentials?.cache.expiresInSeconds,
      },
      clockOffsetSeconds: Math.round(this.#serverClock.offsetMs / 1000),
      outboxes: this.#sources.map(({ outbox }) => outbox.status),
      refusals: this.#gate?.status() ?? [],
      retrying: this.#reader.retrying(),
      warnings: this.#credentials?.warnings ?? [],
    };
  }

  /** Uploads in a state, newest first. */
  list(state: UploadState | undefined, before = Number.MAX_SAFE_INTEGER, limit = 100): UploadSummary[] {
    return this.#reader.list(state, before, limit);
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

  #buildWorker(sources: readonly Source[], store: ObjectStore): UploadWorker {
    const { upload } = this.config;
    const { clock, dice, log } = this.edge;
    const accountProbeMaxMs = upload.probeMaxSeconds * 1000;
    const link = new Link(
      { s3: (signal) => this.#connection!.probe(signal), credentials: () => this.#probeCredentials() },
      { baseMs: Math.min(1_000, accountProbeMaxMs), capMs: Math.min(LINK_PROBE_MAX_MS, accountProbeMaxMs) },
      clock,
      dice,
      log,
      () => {
        this.#worker?.wake();
        this.#sweeper?.wake();
      },
    );
    const gate = new AccountGate(accountProbeMaxMs, clock, dice, log);
    this.#link = link;
    this.#gate = gate;
    const uploadIdOf = (id: number): string => `${this.#ledger.id}-${id}`;
    const pool = new BufferPool(upload.uploadMemoryBytes);
    const existing = new ExistingObject(store, this.#table, upload.onExisting, log);
    const single = new SinglePut(store, this.#table, existing, pool, uploadIdOf);
    const prefixes = new Map(sources.map(({ id, template }) => [id, template.prefix]));
    const configs = new Map(sources.map(({ id, config }) => [id, config]));
    const onAccepted = ({ row }: UploadAttempt): void => gate.succeeded(prefixes.get(row.outboxId)!);
    const multipart = new MultipartUpload(
      store,
      this.#table,
      new PartTable(this.#ledger),
      existing,
      pool,
      log,
      onAccepted,
      {
        ...upload,
        uploadIdOf,
      },
    );
    return new UploadWorker({
      table: this.#table,
      send: (attempt, signal) => {
        const { duplicates } = configs.get(attempt.row.outboxId)!;
        const { singlePutMaxBytes } = upload;
        return sendFile(attempt, this.#table, single, multipart, { singlePutMaxBytes, duplicates }, signal);
      },
      gate,
      link,
      clock,
      dice,
      log,
      sources: sources.map(
        ({ config, id, template, outbox }): UploadSource => ({
          outboxId: id,
          fileOf: (row) => outbox.fileOf(row),
          prefix: template.prefix,
          priority: config.priority,
          newestFirst: config.order === 'newest',
          onEnded: (row, end) => {
            if (end === 'done') outbox.delivered(row);
            else if (end === 'superseded') outbox.superseded(row);
            if (end === 'superseded' || this.#ended.listenerCount('upload') === 0) return;
            const event: DeliveryEvent = {
              event: end === 'done' ? 'delivered' : 'failed',
              upload: this.#reader.summarize(row.id),
            };
            this.#ended.emit('upload', event);
          },
        }),
      ),
      parallelFiles: upload.parallelFiles,
      retryMaxMs: upload.retryMaxSeconds * 1000,
      accountProbeMaxMs,
    });
  }

  #openOutbox(config: OutboxConfig, id: number, template: KeyTemplate): Outbox {
    return buildOutbox(config, id, template, this.#table, {
      stateDir: this.config.state.dir,
      onQueued: () => this.#worker?.wake(),
      clock: this.edge.clock,
      log: this.edge.log,
    });
  }

  /** A refusal is an answer too: the endpoint is there. */
  async #probeCredentials(): Promise<void> {
    await this.#credentials?.cache.get().catch((error: unknown) => {
      if (hasCode(error, 'CREDENTIALS_UNREACHABLE')) throw error;
    });
  }
}
