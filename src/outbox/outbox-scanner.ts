import { lstatSync } from 'node:fs';
import { setImmediate as others } from 'node:timers/promises';
import type { Clock } from '../clock';
import { type FoundFile, type OddEntry, type Unreadable, walkFolder } from '../custody/walk-folder';
import { each } from '../domain/each';
import { type Fingerprint, fingerprintOf } from '../domain/fingerprint';
import { findNamesake, printableName } from '../domain/printable-name';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import { BatchesAhead } from './batches-ahead';
import type { Claim, ClaimedFile, Claimer, Refusal, SettledFile } from './claimer';
import { decideInPlace } from './decide-in-place';
import type { Doorbell } from './doorbell';
import { explainFolder, explainRefusal } from './explain-outbox';
import { type FileSystemTraits, fileSystemTraits, LOCAL } from './file-system';
import { describeLook, newLook, tell } from './look';
import { noteForEmpty } from './note-empty';
import type { OutboxRules } from './rules';
import type { Settling, Stamp } from './settling';
import type { KnownUpload, QueuedFile, UploadQueue } from './upload-queue';

export interface OutboxStatus {
  readonly path: string;
  /** Files found by the last look, claimed by it or not. */
  readonly files: number;
  /** Of these, held open by a program that writes to them. */
  readonly held: number;
  readonly lastScanAtMs: number | undefined;
  /** Symlinks, sockets, FIFOs and devices: left where they are. */
  readonly odd: { readonly count: number; readonly examples: readonly string[] };
  /** Whose open files the daemon's user may not see. */
  readonly hiddenProcesses: number;
  /** Sentences that end with the next step. */
  readonly problems: readonly string[];
}

export interface ScannerOptions {
  /** Absolute folder. */
  readonly path: string;
  readonly rescanMs: number;
  readonly rules: OutboxRules;
  readonly settling: Settling;
  /** Touches a file of ours and tells when that was. */
  readonly takeStamp: () => Stamp | undefined;
  /** Before each look. */
  readonly prepare: () => void;
  readonly claimer: Pick<Claimer, 'claim'>;
  readonly queue: UploadQueue;
  readonly doorbell: Doorbell;
  readonly onQueued: () => void;
  /** A claimed file was written to since the look. */
  readonly onRestless: (batch: number, path: Buffer) => void;
  /** It lies in the outbox still, and was delivered before the first look: its grace may have been cut short. */
  readonly onDeliveredBefore: (row: KnownUpload) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Files claimed in one go, from at most so many folders: each is held open meanwhile. */
const BATCH = { files: 4_096, folders: 100 } as const;
/** Batches on their way to the disk, the one whose rows are written among them; the next is looked for meanwhile. */
const MAX_AHEAD = 2;
/** Looks between two chances for everything else in the process. */
const LOOKS_AT_A_TIME = 256;
const HELD_AGAIN_MS = 1_000;
const MIN_IDLE_MS = 10;
const MAX_EXAMPLES = 10;
/** The wall clock may drift against the monotonic one by so much between two looks; more is a step. */
const STEP_MS = 1_000;

const never = (): boolean => false;

/** Looks through an outbox and claims what has settled. The look alone decides; there is nothing to miss between two of them. */
export class OutboxScanner {
  #status: OutboxStatus;
  #look = newLook();
  #clockGapMs: number | undefined;
  #isUnmovedTold = false;
  #isFirstLook = true;
  #traits: FileSystemTraits = LOCAL;
  readonly #ahead = new BatchesAhead(MAX_AHEAD);
  readonly #loop: RunLoop;

  constructor(private readonly options: ScannerOptions) {
    this.#loop = new RunLoop(() => this.#scan(), options.clock);
    this.#status = { path: options.path, lastScanAtMs: undefined, ...describeLook(this.#look) };
  }

  get status(): OutboxStatus {
    return this.#status;
  }

  /** Rejects when looking itself broke: a defect, not a folder that cannot be read. */
  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  /** Something may have changed. */
  wake(): void {
    this.#loop.wake();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.options.doorbell.close();
  }

  /** @returns milliseconds until the next look */
  async #scan(): Promise<number> {
    const { path, settling, clock, log, doorbell } = this.options;
    this.options.prepare();
    this.#look = newLook();
    this.#forgetAfterStep();
    this.#traits = fileSystemTraits(path);
    const wantsStamp = settling.wantsStamp && this.#traits.keepsCtime && !this.#traits.isNetwork;
    settling.begin(wantsStamp ? this.options.takeStamp() : undefined);
    try {
      await this.#walk();
    } finally {
      await this.#ahead.finish();
    }
    if (this.#loop.isStopping) return 0;
    this.#isFirstLook = false;
    for (const problem of this.#look.problems)
      if (!this.#status.problems.includes(problem)) log.error({ reason: problem }, 'look at the outbox');
    this.#status = { path, lastScanAtMs: clock.nowMs(), ...describeLook(this.#look) };
    const idleMs = this.#idleMs();
    await doorbell.attend({ largestFolder: this.#look.largestFolder, claimed: this.#look.claimed }, () => this.wake());
    return idleMs;
  }

  /** Looks at every file, and claims on the way. */
  async #walk(): Promise<void> {
    const { path, rules } = this.options;
    let batch: SettledFile[] = [];
    let folders = 0;
    let lastFolder: Buffer | undefined;
    let looks = 0;
    const onFolder = (_: Buffer, entries: number): void => {
      this.#look.largestFolder = Math.max(this.#look.largestFolder, entries);
    };
    for (const found of walkFolder(path, { isIgnored: (name) => rules.isIgnored(name), onFolder })) {
      if (++looks % LOOKS_AT_A_TIME === 0) {
        await others();
        if (this.#loop.isStopping) return;
      }
      const settled = found && this.#consider(found);
      if (settled === undefined) continue;
      batch.push(settled);
      if (lastFolder !== settled.folder) folders += 1; // they come folder by folder
      lastFolder = settled.folder;
      if (batch.length >= BATCH.files || folders >= BATCH.folders) {
        await this.#claim(batch);
        batch = [];
        folders = 0;
        lastFolder = undefined;
      }
    }
    await this.#claim(batch);
  }

  /** A file that is to be claimed now. */
  #consider(found: FoundFile | Unreadable | OddEntry): SettledFile | undefined {
    const { path, queue, rules } = this.options;
    const look = this.#look;
    if ('cause' in found) {
      tell(look, explainFolder(path, found.path, found.cause));
      return undefined;
    }
    if ('kind' in found) {
      look.oddCount += 1;
      if (look.odd.length < MAX_EXAMPLES) look.odd.push(`${found.kind} ${printableName(found.path)}`);
      return undefined;
    }
    if (rules.isMarker(found.path)) return undefined;
    look.files += 1;
    const fingerprint = fingerprintOf(found.stats);
    const known = queue.findLatest(found.path);
    if (decideInPlace(known, fingerprint) === 'leave') {
      if (this.#isFirstLook && known!.state === 'done') this.options.onDeliveredBefore(known!);
      return undefined;
    }
    const file: SettledFile = {
      path: found.path,
      folder: found.folder,
      sizeBytes: Number(found.stats.size),
      mtimeMs: Number(found.stats.mtimeNs / 1_000_000n),
      fingerprint,
      treatment: rules.treatmentOf(found.path),
    };
    return this.#isSettled(file, found.stats.ctimeNs) && !this.#clashes(file) ? file : undefined;
  }

  #isSettled({ path, fingerprint, treatment }: SettledFile, ctimeNs: bigint): boolean {
    const { settling, clock } = this.options;
    if (treatment.marker !== undefined) return this.#hasMarker(path, treatment.marker);
    return settling.isSettled(path, this.#comparable(fingerprint), ctimeNs, clock.monotonicMs(), treatment.settleMs);
  }

  /** Where ctime is not kept, mtime and size have to do. */
  #comparable(fingerprint: Fingerprint): Fingerprint {
    return this.#traits.keepsCtime ? fingerprint : { ...fingerprint, place: '' };
  }

  #hasMarker(path: Buffer, marker: string): boolean {
    const file = Buffer.concat([Buffer.from(`${this.options.path}/`), path, Buffer.from(marker)]);
    try {
      return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
    } catch (error) {
      const { code = 'UNKNOWN' } = error as NodeJS.ErrnoException;
      tell(
        this.#look,
        `${printableName(path)}: there can be no marker ${marker} beside it (${code}), and it waits for one; shorten its name, or leave it out of the rule`,
      );
      return false;
    }
  }

  /** Names are bytes; two of them that would be one key wait until a person has renamed one. */
  #clashes({ path }: SettledFile): boolean {
    const namesake = findNamesake(path);
    const isQueued =
      namesake !== undefined &&
      (this.#look.oddNames.has(namesake.toString('latin1')) || this.options.queue.findLatest(namesake) !== undefined);
    if (isQueued)
      tell(
        this.#look,
        `${printableName(path)}: two files of the outbox ${this.options.path} would have this one name in S3, one of them with bytes that are not text; rename one`,
      );
    else if (namesake !== undefined) this.#look.oddNames.add(path.toString('latin1'));
    return isQueued;
  }

  /** Resolves when the look may go on: the batch itself is still on its way. */
  async #claim(batch: SettledFile[]): Promise<void> {
    if (batch.length === 0) return;
    const oldestFirst = batch.sort((a, b) => a.mtimeMs - b.mtimeMs || Buffer.compare(a.path, b.path));
    await this.#ahead.room();
    if (this.#loop.isStopping) return;
    this.#ahead.add(this.options.claimer.claim(oldestFirst), (claim) => this.#queue(claim));
  }

  async #queue({ claimed, restless, refused, hiddenProcesses }: Claim): Promise<void> {
    const { queue, onQueued, onRestless, log } = this.options;
    const look = this.#look;
    if (claimed.length > 0) {
      await queue.enqueue(each(claimed, (file) => this.#queuedFileOf(file)));
      onQueued();
    }
    for (const { batch, path } of restless) onRestless(batch, path);
    for (const { file, why } of refused) this.#keep(file, why);
    look.claimed += claimed.length;
    this.#tellUnmoved(claimed.find((file) => file.batch === undefined && file.treatment.claim === 'move'));
    look.hiddenProcesses = hiddenProcesses;
    log.debug({ count: claimed.length }, 'files queued');
  }

  /** Once: it is the same for the next. */
  #tellUnmoved(file: ClaimedFile | undefined): void {
    if (file === undefined || this.#isUnmovedTold) return;
    this.#isUnmovedTold = true;
    this.options.log.warn(
      { path: `${this.options.path}/${printableName(file.path)}` },
      'a file cannot be moved into the spool and is sent from where it lies, as others may be; see claim in the README',
    );
  }

  #queuedFileOf({ path, batch, sizeBytes, mtimeMs, fingerprint }: ClaimedFile): QueuedFile {
    const known = batch === undefined ? this.options.queue.findLatest(path) : undefined;
    const replaces = known?.state === 'queued' && known.batch === undefined ? known.id : undefined;
    return {
      path,
      batch,
      sizeBytes,
      mtimeMs,
      fingerprint,
      replaces,
      isLate: never,
      note: noteForEmpty(sizeBytes),
    };
  }

  /** It stays where it is, and need not settle anew. */
  #keep(file: SettledFile, why: Refusal): void {
    const { settling, clock } = this.options;
    settling.keep(file.path, this.#comparable(file.fingerprint), clock.monotonicMs(), file.treatment.settleMs);
    if (why === 'held') this.#look.held += 1;
    else tell(this.#look, explainRefusal(this.options.path, file.path, why));
  }

  /** After a step of the wall clock, the times it wrote into files before and after cannot be compared. */
  #forgetAfterStep(): void {
    const { clock, settling, log } = this.options;
    const gapMs = clock.nowMs() - clock.monotonicMs();
    if (this.#clockGapMs !== undefined && Math.abs(gapMs - this.#clockGapMs) > STEP_MS) {
      settling.forget();
      log.info({ seconds: Math.round((gapMs - this.#clockGapMs) / 1000) }, 'the clock was set, files settle anew');
    }
    this.#clockGapMs = gapMs;
  }

  #idleMs(): number {
    const { settling, clock, rescanMs } = this.options;
    const waits = [rescanMs];
    if (settling.earliestMs !== undefined) waits.push(settling.earliestMs - clock.monotonicMs());
    if (this.#look.held > 0) waits.push(HELD_AGAIN_MS);
    return Math.max(MIN_IDLE_MS, Math.min(...waits));
  }
}
