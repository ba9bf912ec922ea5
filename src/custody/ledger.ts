import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Clock } from '../clock';
import { TransferError, UsageError } from '../domain/errors';
import { shellQuoted } from '../domain/shell-quoted';
import type { Log } from '../log';
import { DiskReserve } from './disk-reserve';

/** One step of the schema. Steps are only ever added at the end, and only add: a rolled-back build must run on. */
export type Migration = string;

interface Pending {
  readonly change: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface LedgerOptions {
  readonly dir: string;
  readonly migrations: readonly Migration[];
  /** Path of better-sqlite3's binary where it lies beside the bundle. */
  readonly nativeBinding?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A group is committed when it is this large, or this old. One fsync per group is what cheap flash can bear. */
const GROUP = { maxChanges: 256, windowMs: 25 } as const;
/** A commit stops everything else in the process while the disk takes its time: it gets no more than half of ours. */
const MAX_WINDOW_MS = 1_000;
/** How long to wait before a commit is tried again that the disk refused. */
const REFUSED_RETRY_MS = 1_000;
/** A build that knows fewer migrations than this cannot read what this one writes. */
const OLDEST_READER = 1;

/**
 * What must survive a power cut: one SQLite file in WAL mode, fsynced at each commit. Opened exclusively, which is
 * also the guard against a second instance. Writes are grouped: a change runs in the next group's transaction, and its
 * promise resolves once that is on disk.
 */
export class Ledger {
  /** Statements are prepared on it by the tables; only `write` may change anything. */
  readonly db: Database.Database;
  /** Tells this ledger's uploads from those of any other, in object metadata. */
  readonly id: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #inTransaction: <T>(work: () => T) => T;
  #pending: Pending[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #lastCommitMs = Number.NEGATIVE_INFINITY;
  #windowMs: number = GROUP.windowMs;
  readonly #reserve: DiskReserve;
  #refused = false;
  #closed = false;

  private constructor(db: Database.Database, { dir, clock, log }: LedgerOptions) {
    this.db = db;
    this.#clock = clock;
    this.#log = log;
    this.id = this.#readId();
    this.#reserve = new DiskReserve(dir, log);
    const transaction = db.transaction((work: () => unknown) => work());
    this.#inTransaction = <T>(work: () => T) => transaction.immediate(work) as T;
  }

  /** A file that is damaged or from a newer build is set aside, never deleted. @throws UsageError when another instance holds it */
  static open(options: LedgerOptions): Ledger {
    makeFolder(options.dir);
    const file = join(options.dir, 'ledger.sqlite');
    try {
      return new Ledger(openDatabase(file, options), options);
    } catch (error) {
      const reason = whyUnusable(error, options.dir);
      const aside = setAside(file, options.clock.nowMs());
      options.log.error({ file: aside, reason }, 'ledger set aside, starting a new one; waiting files are found again');
      return new Ledger(openDatabase(file, options), options);
    }
  }

  /**
   * @param change runs inside a transaction, possibly more than once; it must not await, nor touch anything but the db
   * @returns its result, once durable
   */
  write<T>(change: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new TransferError('STOPPING', 'the ledger is closed'));
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ change, resolve: resolve as (result: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Commits what is pending and closes the file. What the disk still refuses is rejected: it happens again after a start. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#commit();
    for (const { reject } of this.#pending.splice(0)) reject(new TransferError('STOPPING', 'the disk takes no writes'));
    this.db.close();
  }

  /** The first change after a pause goes at once; those that come within the window after a commit share the next. */
  #schedule(): void {
    if (this.#refused || this.#immediate !== undefined) return;
    const waitMs = this.#lastCommitMs + this.#windowMs - this.#clock.monotonicMs();
    const isFull = this.#pending.length >= GROUP.maxChanges && this.#windowMs === GROUP.windowMs;
    if (waitMs <= 0 || isFull) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#immediate = setImmediate(() => {
        this.#immediate = undefined;
        this.#commit();
      });
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#commit();
      }, waitMs);
    }
  }

  #commit(): void {
    const group = this.#pending.splice(0);
    if (group.length === 0) return;
    let settle: (() => void)[];
    const startedMs = this.#clock.monotonicMs();
    try {
      settle = this.#commitGivingUpReserve(group);
    } catch (error) {
      this.#refuse(group, error);
      return;
    }
    if (this.#refused) this.#log.info({ count: group.length }, 'ledger can be written again');
    this.#refused = false;
    this.#lastCommitMs = this.#clock.monotonicMs();
    this.#windowMs = Math.min(MAX_WINDOW_MS, Math.max(GROUP.windowMs, this.#lastCommitMs - startedMs));
    for (const each of settle) each();
  }

  /** A full disk must not keep the files that fill it from being sent, noted as sent, and removed. */
  #commitGivingUpReserve(group: readonly Pending[]): (() => void)[] {
    try {
      const settle = this.#commitTogether(group);
      this.#reserve.keep(this.#clock.monotonicMs());
      return settle;
    } catch (error) {
      if (!isDiskFull(error) || !this.#reserve.giveUp()) throw error;
      return this.#commitTogether(group);
    }
  }

  /** @returns what tells each writer @throws when the disk refuses */
  #commitTogether(group: readonly Pending[]): (() => void)[] {
    try {
      const results = this.#inTransaction(() => group.map(({ change }) => change()));
      return group.map(
        ({ resolve }, i) =>
          () =>
            resolve(results[i]),
      );
    } catch (error) {
      if (isRefusedByDisk(error)) throw error;
      // One of them threw, which is a defect of its own: each alone, so that the others do not pay for it.
      return group.map((one) => this.#commitAlone(one));
    }
  }

  #commitAlone({ change, resolve, reject }: Pending): () => void {
    try {
      const result = this.#inTransaction(change);
      return () => resolve(result);
    } catch (error) {
      if (isRefusedByDisk(error)) throw error;
      return () => reject(error);
    }
  }

  /** A full or failing disk: what was to be written stays pending, and nobody goes on as if it were. */
  #refuse(group: Pending[], error: unknown): void {
    this.#pending.unshift(...group);
    if (!this.#refused) {
      this.#log.error(
        { reason: String(error) },
        'ledger cannot be written; free some space on its disk, it is tried again',
      );
    }
    this.#refused = true;
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#commit();
    }, REFUSED_RETRY_MS);
  }

  #readId(): string {
    const row = this.db.prepare("SELECT value FROM ledger_meta WHERE name = 'id'").get() as
      | { value: string }
      | undefined;
    return row!.value;
  }
}

function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new UsageError(
      `the state folder ${dir} cannot be made (${code}); ${code === 'EACCES' || code === 'EPERM' ? makeOver(dir) : 'check state.dir and the disk'}`,
      { cause },
    );
  }
}

const makeOver = (dir: string): string =>
  `make it for the daemon's user: mkdir -p ${shellQuoted(dir)} && chown -R ${process.geteuid?.()} ${shellQuoted(dir)}`;

function openDatabase(file: string, { migrations, nativeBinding }: LedgerOptions): Database.Database {
  const db = new Database(file, { timeout: 0, ...(nativeBinding === undefined ? {} : { nativeBinding }) });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('journal_size_limit = 4194304');
    db.pragma('cache_size = -4096');
    db.pragma('temp_store = MEMORY');
    db.transaction(() => migrate(db, migrations)).immediate();
    // A page may have rotted far behind the first: better found here than at every start.
    const found = db.pragma('quick_check(1)', { simple: true });
    if (found !== 'ok') throw new DamagedLedger(String(found));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function migrate(db: Database.Database, migrations: readonly Migration[]): void {
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version === 0) {
    db.exec('CREATE TABLE ledger_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID');
    const set = db.prepare('INSERT INTO ledger_meta (name, value) VALUES (?, ?)');
    set.run('id', randomBytes(6).toString('hex'));
    set.run('oldest_reader', String(OLDEST_READER));
  }
  const oldestReader = db
    .prepare("SELECT CAST(value AS INTEGER) AS n FROM ledger_meta WHERE name = 'oldest_reader'")
    .get() as { n: number };
  if (oldestReader.n > migrations.length) throw new NewerLedger(version);
  if (version >= migrations.length) return;
  for (const step of migrations.slice(version)) db.exec(step);
  db.pragma(`user_version = ${migrations.length}`);
}

class DamagedLedger extends Error {}

class NewerLedger extends Error {
  constructor(version: number) {
    super(`written by a newer build (schema ${version}) that this one cannot read`);
  }
}

/** @throws what is not the file's fault: another instance, a folder without rights */
function whyUnusable(error: unknown, dir: string): string {
  if (error instanceof NewerLedger || error instanceof DamagedLedger) return error.message;
  const code = (error as { code?: string }).code ?? '';
  if (code.startsWith('SQLITE_BUSY')) {
    throw new UsageError(
      `another courier is running with the state folder ${dir}; stop it, or give this one its own --state-dir`,
      { cause: error },
    );
  }
  if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB') || code === 'SQLITE_ERROR')
    return String(error);
  if (code.startsWith('SQLITE_')) {
    throw new UsageError(
      code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_READONLY')
        ? `cannot open the ledger in ${dir} (${code}); ${makeOver(dir)}`
        : `cannot open the ledger in ${dir} (${code}); check that its disk is not full`,
      { cause: error },
    );
  }
  throw error;
}

const isRefusedByDisk = (error: unknown): boolean =>
  /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|NOMEM)/.test((error as { code?: string } | null)?.code ?? '');

const isDiskFull = (error: unknown): boolean =>
  /^SQLITE_(FULL|IOERR_WRITE)/.test((error as { code?: string } | null)?.code ?? '');

function setAside(file: string, nowMs: number): string {
  const aside = `${file}.${new Date(nowMs).toISOString().replace(/[-:.]/g, '')}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  return aside;
}
