import { statSync } from 'node:fs';
import type { Log } from '../log';

export interface LookResult {
  /** Entries of the folder that has most. */
  readonly largestFolder: number;
  readonly claimed: number;
}

/** Listening in a larger folder costs more than looking: each event has the whole folder read anew. */
const MAX_ENTRIES = 5_000;
/** After a look that claimed so many the next one follows at once, and needs no bell. */
const BACK_TO_BACK = 1_024;
const COALESCE_MS = 200;

/**
 * Rings when something moves in the outbox, so that a look comes at once and not at the next turn. It tells nothing
 * else, and everything works without it: its events may come late, double or never.
 */
export class Doorbell {
  #watcher: { close(): Promise<void> } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isBroken = false;
  /** Of the folder that is listened to: another may take its name. */
  #inode: string | undefined;

  constructor(
    private readonly folder: string,
    private readonly isIgnored: (path: string) => boolean,
    private readonly log: Log,
  ) {}

  /** After each look: listens, or stops listening where that costs more than it brings. */
  async attend({ largestFolder, claimed }: LookResult, ring: () => void): Promise<void> {
    const isWorthIt = largestFolder <= MAX_ENTRIES && claimed < BACK_TO_BACK;
    if (!isWorthIt || this.#inode !== inodeOfFolder(this.folder)) await this.close();
    if (isWorthIt && this.#watcher === undefined && !this.#isBroken) await this.#open(ring);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const watcher = this.#watcher;
    this.#watcher = undefined;
    await watcher?.close();
  }

  async #open(ring: () => void): Promise<void> {
    this.#inode = inodeOfFolder(this.folder);
    if (this.#inode === undefined) return; // not there yet
    const { watch } = await import('chokidar');
    const watcher = watch(this.folder, {
      // Folders only: a watch of its own for each file would cost 8 KB.
      ignored: (path, stats) => stats?.isFile() === true || this.isIgnored(path),
      followSymlinks: false,
      ignoreInitial: true,
    });
    watcher.on('raw', () => {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        ring();
      }, COALESCE_MS);
    });
    watcher.on('error', (error) => void this.#giveUp(error as NodeJS.ErrnoException));
    this.#watcher = watcher;
  }

  /** The system has no watch left: looking alone has to do. */
  async #giveUp({ code, message }: NodeJS.ErrnoException): Promise<void> {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const hint =
      code === 'ENOSPC'
        ? 'raise fs.inotify.max_user_watches'
        : code === 'EMFILE'
          ? 'raise fs.inotify.max_user_instances'
          : 'it works all the same';
    this.log.warn(
      { code: code ?? 'UNKNOWN', reason: `${message}; ${hint}` },
      'cannot listen for new files, looking every rescanSeconds instead',
    );
    await this.close();
  }
}

function inodeOfFolder(folder: string): string | undefined {
  const stats = statSync(folder, { throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}
