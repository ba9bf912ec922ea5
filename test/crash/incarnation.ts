import fs, { cpSync } from 'node:fs';
import { RoleAlias } from '../../src/aws/credentials/role-alias';
import { systemClock } from '../../src/clock';
import { Component } from '../../src/component';
import { parseConfig } from '../../src/config/load-config';
import { FolderHandle } from '../../src/custody/folder-handle';
import { Ledger } from '../../src/custody/ledger';
import { Spool } from '../../src/custody/spool';
import type { InboxStore } from '../../src/inbox/inbox-store';
import { createLog } from '../../src/log';
import { alive } from './alive';
import { type CrashAt, CrashPoint } from './crash-point';
import { GuardedStore, type StoreObserver } from './guarded-store';
import { unsynced } from './unsynced';

/** One life of the component, inside this process, behind a crash point. */
export class Incarnation {
  /** What it said, as the log has it. */
  output = '';
  /** Multipart uploads that S3 began and the ledger never heard of. */
  readonly #unrecorded = new Set<string>();
  /** Keys for which S3 may have begun one, and nobody heard its id. */
  readonly #cut = new Set<string>();
  readonly #heard = new Set<string>();
  readonly crash: CrashPoint;
  readonly component: Component;
  /** Begun, their commit on its way: commits come in the order of the answers. */
  readonly #created: string[] = [];
  readonly #unguardFileSystem: () => void;
  #started: Promise<unknown>;

  constructor(
    readonly stateDir: string,
    settings: Readonly<Record<string, object>>,
    at: CrashAt | undefined,
    observer: Pick<StoreObserver, 'onCall' | 'onArrived' | 'onDelivered'>,
    guardInbox: (store: InboxStore, crash: CrashPoint) => InboxStore = (store) => store,
  ) {
    this.crash = new CrashPoint(at);
    const log = createLog(
      (line) => {
        this.output += line;
      },
      'debug',
      systemClock.nowMs,
    );
    const around: StoreObserver = {
      onCall: (name, key) => observer.onCall(name, key),
      onArrived: (what) => observer.onArrived(what),
      onDelivered: (key) => observer.onDelivered(key),
      onCreated: (id) => {
        this.#created.push(id);
        this.#unrecorded.add(id);
        this.#heard.add(id);
      },
      onCreateCut: (key) => this.#cut.add(key),
    };
    alive.crash = this.crash;
    this.#unguardFileSystem = guardFileSystem();
    const restore = this.#guardLedger();
    try {
      this.component = new Component(parseConfig({ ...settings, state: { dir: stateDir } }, {}), {
        tokenExchange: undefined,
        clock: systemClock,
        dice: () => 0.1,
        log,
        wrapStore: (store) => new GuardedStore(store, this.crash, around),
        wrapInbox: (store) => guardInbox(store, this.crash),
      });
    } finally {
      restore();
    }
    this.#started = this.component.start((error) => {
      this.output += `broken: ${String(error)}\n`;
    });
    this.#started.catch((error: unknown) => {
      this.output += `not started: ${String(error)}\n`;
    });
  }

  /** A multipart upload of which this life could leave no record. */
  couldNotKnow(key: string, uploadId: string): boolean {
    return this.#unrecorded.has(uploadId) || (this.#cut.has(key) && !this.#heard.has(uploadId));
  }

  /**
   * What lies on disk at this moment, in a folder for the next life: nothing pending is ever committed to it. The spool
   * is a link in it, and stays the same.
   */
  leaveTo(nextStateDir: string): void {
    cpSync(this.stateDir, nextStateDir, { recursive: true, filter: (file) => !file.endsWith('.sock') });
  }

  async end(): Promise<void> {
    await this.#started.catch(() => undefined);
    await this.component.stop();
    this.#unguardFileSystem();
  }

  /** A way out that `Edge` does not know. */
  #guardLedger(): () => void {
    const { open } = Ledger;
    Ledger.open = (options) => {
      const ledger = open.call(Ledger, options);
      const write = ledger.write.bind(ledger);
      ledger.write = <T>(change: () => T): Promise<T> => {
        const name = callerInTables(new Error().stack ?? '');
        const begun = name === 'commit startMultipart' ? this.#created.shift() : undefined;
        return this.crash.commit(name, write, () => {
          const changed = change();
          if (begun !== undefined) this.#unrecorded.delete(begun);
          return changed;
        });
      };
      return ledger;
    };
    return () => {
      Ledger.open = open;
    };
  }
}

// Another such way.
const { fetch } = RoleAlias.prototype;
RoleAlias.prototype.fetch = function guarded(this: RoleAlias) {
  return alive.crash.call('credentials', () => fetch.call(this));
};

// The claim and the removal, step by step.
const { createBatch, removeEmpty } = Spool.prototype;
Spool.prototype.createBatch = function guarded(this: Spool, batch) {
  return alive.crash.callSync('mkdir of batch', () => createBatch.call(this, batch));
};
Spool.prototype.removeEmpty = function guarded(this: Spool, batch, path) {
  return alive.crash.callSync('rmdir', () => removeEmpty.call(this, batch, path));
};
const { makeChild, sync } = FolderHandle.prototype;
FolderHandle.prototype.makeChild = function guarded(this: FolderHandle, name, mode) {
  return alive.crash.callSync('mkdir', () => {
    const made = makeChild.call(this, name, mode);
    unsynced.named(this.child(name).toString());
    return made;
  });
};
FolderHandle.prototype.sync = function guarded(this: FolderHandle) {
  return alive.crash.call('sync', () => unsynced.sync(this.path, () => sync.call(this)));
};

// Node's own rmSync keeps the unlinkSync it finds when first called, for all suites of this process: not a guarded one.
fs.rmSync('/nonexistent', { force: true });
const { linkSync, rename, renameSync, unlinkSync } = fs;
const BY_HANDLE = Buffer.from('/proc/self/fd/');
/** Only the courier reaches files through handles; the cloud and the tests have paths. */
const isByHandle = (path: fs.PathLike): boolean =>
  Buffer.isBuffer(path) && path.subarray(0, BY_HANDLE.length).equals(BY_HANDLE);

function guardFileSystem(): () => void {
  Object.assign(fs, {
    renameSync: (from: fs.PathLike, to: fs.PathLike): void =>
      isByHandle(from) || isByHandle(to)
        ? alive.crash.callSync('rename', () => name(renameSync, from, to))
        : renameSync(from, to),
    // Later, as in the pool, but one at a time, so that it is known which was the last.
    rename: (from: fs.PathLike, to: fs.PathLike, callback: fs.NoParamCallback): void => {
      const { crash } = alive;
      if (isByHandle(from))
        setImmediate(() => callback(failureOf(() => crash.callSync('rename', () => name(renameSync, from, to)))));
      else rename(from, to, callback);
    },
    linkSync: (from: fs.PathLike, to: fs.PathLike): void =>
      isByHandle(from) ? alive.crash.callSync('link', () => name(linkSync, from, to)) : linkSync(from, to),
    unlinkSync: (path: fs.PathLike): void =>
      isByHandle(path) ? alive.crash.callSync('unlink', () => unlinkSync(path)) : unlinkSync(path),
  });
  return () => {
    Object.assign(fs, { linkSync, rename, renameSync, unlinkSync });
  };
}

function failureOf(work: () => void): NodeJS.ErrnoException | null {
  try {
    work();
    return null;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

function name(give: (from: fs.PathLike, to: fs.PathLike) => void, from: fs.PathLike, to: fs.PathLike): void {
  give(from, to);
  unsynced.named(to.toString());
}

/** `commit take`: the method of the table that writes. */
function callerInTables(stack: string): string {
  const frames = [
    ...stack.matchAll(/at (?:async )?(?:UploadTable|PartTable|InboxTable|JobsTable)\.#?(\w+)(?: \[as #?(\w+)\])?/g),
  ];
  const [, method, alias] = frames.at(-1) ?? [];
  return `commit ${alias ?? method ?? 'of nobody'}`;
}
