import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ProducerLog } from './producer-log';
import { contentOf } from './versions';

/** How a producer makes a file durable: not at all, or its bytes before, and the folder after, it gets its name. */
export type Care = 'none' | 'fsync';

/** Writes files into the outbox, and tells the log of every step. */
export class ProducerFiles {
  #made = 0;

  constructor(
    private readonly outbox: string,
    /** On the same file system. */
    private readonly incoming: string,
    private readonly log: ProducerLog,
    /** No two files begin alike: content tells whose it is. */
    private readonly firstSeed: number,
  ) {}

  /** Written beside, then renamed all together: what is seen of a burst, is seen in few looks. */
  place(files: readonly { readonly name: string; readonly bytes: number }[], care: Care): void {
    const written = files.map((file) => {
      const { id, content } = this.#begin(file.name, file.bytes);
      const fd = openSync(join(this.incoming, String(id)), 'wx');
      writeSync(fd, content);
      this.#written(id, fd, content.length, createHash('sha256').update(content));
      if (care === 'fsync') fsyncSync(fd);
      closeSync(fd);
      return { id, ...file };
    });
    for (const { id, name } of written) {
      this.log.say({ say: 'placing', id });
      renameSync(join(this.incoming, String(id)), join(this.outbox, name));
      this.log.say({ say: 'placed', id, atMs: Date.now() });
    }
    if (care === 'none') return;
    for (const folder of new Set(written.map(({ name }) => dirname(join(this.outbox, name))))) syncFolder(folder);
    for (const { id, bytes } of written) this.log.say({ say: 'durable', id, bytes });
  }

  /** Created in the outbox itself and held open, to be written to bit by bit. */
  open(name: string, bytes: number): GrowingFile {
    const { id, content } = this.#begin(name, bytes);
    this.log.say({ say: 'placing', id });
    const path = join(this.outbox, name);
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND, 0o644);
    this.log.say({ say: 'placed', id, atMs: Date.now() });
    const hash = createHash('sha256');
    let at = 0;
    return {
      append: (count, care) => {
        const chunk = content.subarray(at, at + count);
        writeSync(fd, chunk);
        at += chunk.length;
        this.#written(id, fd, at, hash.update(chunk).copy());
        if (care === 'fsync') {
          fsyncSync(fd);
          syncFolder(dirname(path));
          this.log.say({ say: 'durable', id, bytes: at });
        }
        if (at < content.length) return true;
        closeSync(fd);
        return false;
      },
    };
  }

  #begin(name: string, bytes: number): { id: number; content: Buffer } {
    const id = this.#made++;
    const seed = this.firstSeed + id;
    this.log.say({ say: 'begin', id, name, seed, bytes });
    return { id, content: contentOf(seed, bytes) };
  }

  #written(id: number, fd: number, bytes: number, hash: Hash): void {
    const mtimeNs = String(fstatSync(fd, { bigint: true }).mtimeNs);
    this.log.say({ say: 'written', id, bytes, sha256: hash.digest('hex'), mtimeNs, atMs: Date.now() });
  }
}

export interface GrowingFile {
  /** @returns whether there is more to come; else it is closed */
  append(count: number, care: Care): boolean;
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  fsyncSync(fd);
  closeSync(fd);
}
