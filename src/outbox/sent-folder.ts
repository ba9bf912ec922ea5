import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock';
import { splitPath } from '../custody/folder-handle';
import { walkFolder } from '../custody/walk-folder';

export interface SentFolderOptions {
  /** Absolute. */
  readonly folder: string;
  readonly maxAgeDays: number | undefined;
  readonly maxBytes: number | undefined;
}

const PRUNE_EVERY_MS = 10 * 60_000;
/** With a suffix where the number came twice. */
const BATCH = /^\d{10}(\.\d+)?$/;

/** Delivered files that are kept, in the folders of their batches; the oldest batches go first. */
export class SentFolder {
  #lastPruneMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly options: SentFolderOptions,
    private readonly clock: Clock,
  ) {}

  /**
   * Goes over nothing that is kept already: batch numbers begin anew with a lost ledger, and outboxes may share a folder.
   * @param from where the file lies @throws the system's error, EXDEV when the folder is on another file system
   */
  take(batch: number, path: Buffer, from: Buffer): void {
    const name = String(batch).padStart(10, '0');
    for (let again = 0; ; again++) {
      const root = Buffer.from(`${join(this.options.folder, again === 0 ? name : `${name}.${again}`)}/`);
      try {
        mkdirSync(Buffer.concat([root, splitPath(path).folder]), { recursive: true, mode: 0o700 });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EEXIST' || code === 'ENOTDIR') continue; // a file of that name is kept
        throw error;
      }
      const to = Buffer.concat([root, path]);
      if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) continue;
      renameSync(from, to);
      return;
    }
  }

  /** Every ten minutes at most. */
  prune(): void {
    const { maxAgeDays, maxBytes, folder } = this.options;
    const nowMs = this.clock.monotonicMs();
    if ((maxAgeDays === undefined && maxBytes === undefined) || nowMs - this.#lastPruneMs < PRUNE_EVERY_MS) return;
    this.#lastPruneMs = nowMs;
    if (!existsSync(folder)) return; // nothing was kept yet
    const batches = this.#batches();
    if (batches.length === 0) return;
    let bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0);
    const agedNs =
      maxAgeDays === undefined ? undefined : this.#nowNs() - BigInt(Math.round(maxAgeDays * 86_400)) * 1_000_000_000n;
    for (const batch of batches) {
      const isAged = agedNs !== undefined && batch.ctimeNs < agedNs;
      if (!isAged && (maxBytes === undefined || bytes <= maxBytes)) return;
      rmSync(join(folder, batch.name), { recursive: true, force: true });
      bytes -= batch.bytes;
    }
  }

  #batches(): { name: string; bytes: number; ctimeNs: bigint }[] {
    const { folder } = this.options;
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => BATCH.test(name))
      .sort()
      .map((name) => {
        let bytes = 0;
        for (const found of walkFolder(join(folder, name), { isIgnored: () => false }))
          if (found !== undefined && 'stats' in found) bytes += Number(found.stats.size);
        return { name, bytes, ctimeNs: lstatSync(join(folder, name), { bigint: true }).ctimeNs };
      });
  }

  /** In the file system's own time: no file's time is compared with the process's clock. */
  #nowNs(): bigint {
    const stamp = join(this.options.folder, '.now');
    writeFileSync(stamp, '', { mode: 0o600 });
    utimesSync(stamp, 0, 0);
    return statSync(stamp, { bigint: true }).ctimeNs;
  }
}
