import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, opendirSync, rmdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '../clock';
import type { OutboxConfig } from '../config/schema';
import { Spool } from '../custody/spool';
import { inodeOf } from '../domain/fingerprint';
import { printableName } from '../domain/printable-name';
import type { Log } from '../log';
import type { ClaimCalls } from './claim-calls';
import { Claimer, type SettledFile } from './claimer';
import { Doorbell } from './doorbell';
import { explainUnmoved } from './explain-outbox';
import { fileSystemTraits } from './file-system';
import { OutboxScanner, type OutboxStatus } from './outbox-scanner';
import { enqueueNewBatches, sweepOldBatches } from './recover-spool';
import { Resettling } from './resettling';
import { OutboxRules } from './rules';
import { SentFiles } from './sent-files';
import { SentFolder } from './sent-folder';
import { Settling, type Stamp } from './settling';
import type { UploadQueue } from './upload-queue';

export interface OutboxOptions {
  readonly config: OutboxConfig;
  /** Absolute; the daemon's own. */
  readonly stateDir: string;
  readonly queue: UploadQueue;
  readonly calls: ClaimCalls;
  /** There are new rows. */
  readonly onQueued: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Where the file of a row lies. */
interface Row {
  readonly batch: number | undefined;
  readonly path: Buffer;
}

/** Files remembered while they settle: some 300 bytes each. */
const MAX_REMEMBERED = 8_192;
const NETWORK_SETTLE_MS = 60_000;

/** One folder whose files go to S3: from their first look until they are delivered and gone. */
export class Outbox {
  #spool: Spool | undefined;
  readonly #spoolPlace: string;
  readonly #rules: OutboxRules;
  readonly #scanner: OutboxScanner;
  readonly #resettling: Resettling;
  readonly #sent: SentFiles;
  readonly #stopping = new AbortController();
  readonly #heldSince = new Map<string, number>();
  #batch = 0;
  #isLocated = false;
  /** Why there is no spool; a sentence that ends with the next step. */
  #unmoved: string | undefined;
  #recovered: Promise<void> = Promise.resolve();
  #swept: Promise<void> = Promise.resolve();
  #scanning = false;

  /** Finds the place of the spool. */
  constructor(private readonly options: OutboxOptions) {
    const { config, stateDir, queue, onQueued, clock, log } = options;
    const { path } = config;
    const traits = fileSystemTraits(path);
    this.#rules = new OutboxRules(config, traits.isNetwork ? NETWORK_SETTLE_MS : 0);
    const rules = this.#rules;
    const openWriterMs = config.openWriterSeconds * 1000;
    // By its path, not by a number of the ledger: it is found again when the ledger is lost.
    const name = `${basename(path)}-${createHash('sha256').update(path).digest('hex').slice(0, 8)}`;
    this.#spoolPlace = join(stateDir, 'spool', name);
    this.#locateSpool();
    const spool = (): Spool | undefined => this.#spool;
    this.#resettling = new Resettling(spool, rules, queue, openWriterMs, onQueued, clock, log);
    const onRestless = (batch: number, file: Buffer): void => this.#resettling.add(batch, file);
    this.#sent = new SentFiles({
      outbox: path,
      spool,
      sentFolder:
        config.sentDir === undefined
          ? undefined
          : new SentFolder(
              { folder: config.sentDir, maxAgeDays: config.sentMaxDays, maxBytes: config.sentMaxBytes },
              clock,
            ),
      rules,
      queue,
      graceMs: config.deleteGraceSeconds * 1000,
      openWriterMs,
      onRestless,
      clock,
      log,
    });
    const stampFile = join(stateDir, `.stamp-${name}`);
    this.#scanner = new OutboxScanner({
      path,
      rescanMs: config.rescanSeconds * 1000,
      rules,
      settling: new Settling({ maxRemembered: MAX_REMEMBERED }),
      prepare: () => this.#locateSpool(),
      takeStamp: () => takeStamp(stampFile, clock),
      claimer: new Claimer({
        outbox: path,
        spool,
        nextBatch: () => ++this.#batch,
        mayBreakHold: (file) => this.#mayBreakHold(file, openWriterMs),
        prunesFolders: config.pruneEmptyFolders,
        calls: options.calls,
      }),
      queue,
      doorbell: new Doorbell(path, (file) => rules.isIgnored(Buffer.from(file.slice(path.length + 1))), log),
      onQueued,
      onRestless,
      onDeliveredBefore: (row) => this.delivered(row),
      clock,
      log,
    });
  }

  get status(): OutboxStatus & {
    readonly spool: string | undefined;
    readonly restless: number;
    readonly sent: number;
  } {
    const { problems, ...status } = this.#scanner.status;
    const warning = this.#spool?.warning ?? this.#unmoved;
    return {
      ...status,
      spool: this.#spool?.folder,
      restless: this.#resettling.count,
      sent: this.#sent.count,
      problems: warning === undefined ? problems : [warning, ...problems],
    };
  }

  /** Rejects when a part of it broke: a defect. */
  get finished(): Promise<unknown> {
    return Promise.all([
      this.#scanner.finished,
      this.#resettling.finished,
      this.#sent.finished,
      this.#recovered,
      this.#swept,
    ]);
  }

  /** Below a folder that is ours or the configuration's. */
  fileOf({ batch, path }: Row): { readonly root: string; readonly path: Buffer } {
    const batchPath = batch === undefined ? undefined : this.#spool?.batchPath(batch);
    return { root: batchPath ?? this.options.config.path, path };
  }

  isIgnored(path: Buffer): boolean {
    return this.#rules.isIgnored(path) || this.#rules.isMarker(path);
  }

  start(): this {
    this.#resettling.start();
    this.#sent.start();
    this.#recovered = this.#recover();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled([this.#recovered, this.#swept]);
    if (this.#scanning) await this.#scanner.stop();
    await Promise.all([this.#resettling.stop(), this.#sent.stop()]);
  }

  /** The row is delivered, durably. */
  delivered({ id, batch, path }: Row & { readonly id: number }): void {
    if (batch !== undefined || this.#rules.treatmentOf(path).afterUpload === 'delete') this.#sent.add(id);
  }

  /** The file of the row is another version by now. */
  superseded({ batch, path }: Row): void {
    if (batch === undefined) this.#scanner.wake();
    else this.#resettling.add(batch, path);
  }

  /** Every other batch is gone, and that is on the disk. undefined: nobody knows. */
  async remainingBatches(): Promise<readonly number[] | undefined> {
    const batches = this.#spool?.batches();
    await this.#spool?.sync();
    return batches;
  }

  /** What was claimed before goes before what is claimed next: the order of the versions hangs on it. */
  async #recover(): Promise<void> {
    const { queue, onQueued, log, config } = this.options;
    const spool = this.#spool;
    if (spool !== undefined) {
      const before = queue.lastBatch();
      const files = await enqueueNewBatches(spool, queue, this.#stopping.signal);
      if (files > 0) {
        log.info({ count: files, path: config.path }, 'claimed files without a row are queued');
        onQueued();
      }
      this.#swept = sweepOldBatches(
        spool,
        queue,
        before,
        {
          onRestless: (batch, path) => this.#resettling.add(batch, path),
          onDelivered: (id) => this.#sent.add(id),
        },
        this.#stopping.signal,
      );
    }
    if (this.#stopping.signal.aborted) return;
    this.#scanning = true;
    this.#scanner.start();
  }

  /** As soon as the outbox is there: its disk may come later than we do. */
  #locateSpool(): void {
    const { config, queue } = this.options;
    if (this.#spool !== undefined || this.#isLocated) return;
    const wanted = config.claim === 'move' || config.rules.some(({ claim }) => claim === 'move');
    this.#isLocated = existsSync(config.path);
    this.#spool = Spool.locate(config.path, this.#spoolPlace, wanted && this.#isLocated);
    if (this.#spool !== undefined) this.#batch = Math.max(queue.lastBatch(), ...this.#spool.batches().slice(-1));
    else if (wanted && this.#isLocated && isReadable(config.path)) {
      this.#unmoved = explainUnmoved(config.path, takesFiles(config.path));
      this.options.log.warn({ path: config.path, reason: this.#unmoved }, 'files cannot be moved out of the outbox');
    }
  }

  /** A program that never closes its file must not hold it back for ever. */
  #mayBreakHold({ fingerprint, path }: SettledFile, openWriterMs: number): boolean {
    const inode = inodeOf(fingerprint);
    const { clock, log } = this.options;
    const nowMs = clock.monotonicMs();
    const sinceMs = this.#heldSince.get(inode) ?? nowMs;
    if (nowMs - sinceMs < openWriterMs) {
      if (this.#heldSince.size > MAX_REMEMBERED) this.#heldSince.clear();
      this.#heldSince.set(inode, sinceMs);
      return false;
    }
    this.#heldSince.delete(inode);
    log.warn(
      { path: printableName(path), seconds: Math.round((nowMs - sinceMs) / 1000) },
      'claimed although a program still holds it open for writing; what it writes from now on follows as a new version',
    );
    return true;
  }
}

/** Only the attempt tells: rights may come from an ACL, and be taken by the mount. */
function takesFiles(folder: string): boolean {
  try {
    rmdirSync(mkdtempSync(join(folder, '.courier-')));
    return true;
  } catch {
    return false;
  }
}

function isReadable(folder: string): boolean {
  try {
    opendirSync(folder).closeSync();
    return true;
  } catch {
    return false;
  }
}

/** @returns undefined when the disk takes none: what is beyond memory settles later */
function takeStamp(file: string, clock: Clock): Stamp | undefined {
  const monotonicMs = clock.monotonicMs();
  try {
    writeFileSync(file, '', { mode: 0o600 });
    utimesSync(file, 0, 0);
    return { monotonicMs, ctimeNs: statSync(file, { bigint: true }).ctimeNs };
  } catch {
    return undefined;
  }
}
