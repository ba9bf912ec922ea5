import { closeSync, existsSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Log } from '../log';

const BYTES = 1024 * 1024;
const MADE_AGAIN_MS = 60_000;
/** Times its size that must be free, or it would be what fills the disk. */
const ROOM = 4;

/** Space kept for the ledger: given up when the disk is full, so that what is delivered can be noted, and then removed. */
export class DiskReserve {
  readonly #file: string;
  #isHeld: boolean;
  #triedMs = Number.NEGATIVE_INFINITY;

  constructor(
    dir: string,
    private readonly log: Log,
  ) {
    this.#file = join(dir, 'reserve');
    this.#isHeld = existsSync(this.#file);
  }

  /** @returns whether there was something to give up */
  giveUp(): boolean {
    if (!this.#isHeld) return false;
    rmSync(this.#file, { force: true });
    this.#isHeld = false;
    this.log.error({ file: this.#file }, 'the disk is full, the reserve is given up; free some space');
    return true;
  }

  /** Made, and made again when there is room, once a minute at most. */
  keep(monotonicMs: number): void {
    if (this.#isHeld || monotonicMs - this.#triedMs < MADE_AGAIN_MS) return;
    this.#triedMs = monotonicMs;
    this.#isHeld = this.#make();
  }

  #make(): boolean {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#file));
      if (bavail * bsize < ROOM * BYTES) return false;
      const fd = openSync(this.#file, 'w', 0o600);
      try {
        // Written, not just sized: a hole reserves nothing.
        const block = Buffer.alloc(64 * 1024, 'r');
        for (let bytes = 0; bytes < BYTES; bytes += block.length) writeSync(fd, block);
      } finally {
        closeSync(fd);
      }
      return true;
    } catch {
      rmSync(this.#file, { force: true });
      return false;
    }
  }
}
