import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const MIB = 1024 * 1024;
const BLOCK_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(BLOCK_BYTES);
const COMMAND_MS = 30_000;
const PATIENCE_MS = 10_000;
const AGAIN_MS = 5;

/** An ext4 file system in a file, on a loop device that goes with its mount. */
export class DiskImage {
  constructor(
    readonly file: string,
    /** Where it is mounted: always the same folder, for the ledger knows the outbox by its path. */
    private readonly at: string,
  ) {}

  static create(file: string, at: string, mib: number): DiskImage {
    writeFileSync(file, '');
    truncateSync(file, mib * MIB);
    // Nothing is left to be done later: an idle disk has to be still.
    run('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', file);
    return new DiskImage(file, at);
  }

  /** As after a power cut: the journal is replayed, and nothing else done. */
  mount(): void {
    run('mount', '-t', 'ext4', '-o', 'loop,noatime', this.file, this.at);
  }

  unmount(): void {
    run('umount', this.at);
  }

  sync(): void {
    run('sync', '-f', this.at);
  }

  /**
   * What the disk holds at one moment. Its writers are stopped, but the kernel writes back and commits the journal on
   * its own; a copy during which the disk took a write mixes moments, and does not count.
   * @returns how many copies did not count; undefined when the disk did not become still
   */
  async copyTo(file: string): Promise<number | undefined> {
    const stat = `/sys/block/${this.#device()}/stat`;
    const deadline = Date.now() + PATIENCE_MS;
    for (let discarded = 0; Date.now() < deadline; discarded++) {
      const before = readWrites(stat);
      if (before.inFlight === 0) {
        copySparse(this.file, file);
        const after = readWrites(stat);
        if (after.completed === before.completed && after.inFlight === 0) return discarded;
      }
      await delay(AGAIN_MS);
    }
    return undefined;
  }

  #device(): string {
    const device = readdirSync('/sys/block').find((name) => backingFileOf(name) === this.file);
    if (device === undefined) throw new Error(`${this.file} is on no loop device`);
    return device;
  }
}

function backingFileOf(device: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8').trim();
  } catch {
    return undefined; // no loop device, or a free one
  }
}

/** Fields 5 and 9 of the kernel's Documentation/block/stat.rst. */
function readWrites(stat: string): { completed: string; inFlight: number } {
  const fields = readFileSync(stat, 'utf8').trim().split(/\s+/);
  return { completed: fields[4]!, inFlight: Number(fields[8]) };
}

/** Through the page cache, where the loop device has put what it was given. */
function copySparse(from: string, to: string): void {
  const source = openSync(from, 'r');
  const target = openSync(to, 'w');
  try {
    const block = Buffer.alloc(BLOCK_BYTES);
    let at = 0;
    for (let bytes = readSync(source, block); bytes > 0; bytes = readSync(source, block)) {
      if (!block.equals(ZEROS)) writeSync(target, block, 0, bytes, at);
      at += bytes;
    }
    ftruncateSync(target, statSync(from).size);
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: COMMAND_MS });
}
