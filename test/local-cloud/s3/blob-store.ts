import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, readdirSync, type WriteStream, writeFileSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';

/** A run of bytes of one stored body. Copies and completed uploads share bodies, so an object is a list of these. */
export interface BlobSlice {
  blob: string;
  offset: number;
  length: number;
}

const READ_BUFFER_BYTES = 256 * 1024;
const WRITE_BUFFER_BYTES = 1024 * 1024;

/** Bodies on disk, one file each, never changed once named by the journal. Counts who refers to them. */
export class BlobStore {
  private readonly references = new Map<string, number>();
  private readonly run = randomBytes(5).toString('hex');
  private created = 0;
  /** while the journal is replayed a body may be named again further down */
  private swept = false;

  constructor(private readonly dir: string) {
    for (let shard = 0; shard < 256; shard++) mkdirSync(join(dir, hexByte(shard)), { recursive: true });
  }

  /** For small bodies: one system call each is cheaper than the thread pool. */
  writeWhole(bytes: Buffer): BlobSlice[] {
    if (bytes.length === 0) return [];
    const blob = this.nextName();
    writeFileSync(this.pathOf(blob), bytes);
    return [{ blob, offset: 0, length: bytes.length }];
  }

  openWriter(): { blob: string; stream: WriteStream } {
    const blob = this.nextName();
    return { blob, stream: createWriteStream(this.pathOf(blob), { highWaterMark: WRITE_BUFFER_BYTES }) };
  }

  retain(slices: BlobSlice[]): void {
    for (const { blob } of slices) this.references.set(blob, (this.references.get(blob) ?? 0) + 1);
  }

  /** The file goes with its last reference. Nobody waits for that: a file left by a kill is swept at the next start. */
  release(slices: BlobSlice[]): void {
    for (const { blob } of slices) {
      const left = (this.references.get(blob) ?? 0) - 1;
      if (left > 0) this.references.set(blob, left);
      else {
        this.references.delete(blob);
        this.discard(blob);
      }
    }
  }

  discard(blob: string): void {
    if (this.swept) unlink(this.pathOf(blob)).catch(() => undefined);
  }

  /** Removes what nobody refers to. Only before requests are taken. */
  async sweep(): Promise<void> {
    this.swept = true;
    for (let shard = 0; shard < 256; shard++) {
      const orphans = readdirSync(join(this.dir, hexByte(shard))).filter((blob) => !this.references.has(blob));
      await Promise.all(orphans.map((blob) => unlink(this.pathOf(blob))));
    }
  }

  /** The bytes [start, end) of the joined slices. They stay readable until the stream closes, whoever deletes them. */
  read(slices: BlobSlice[], start = 0, end = lengthOf(slices)): Readable {
    const wanted = cut(slices, start, end);
    this.retain(wanted);
    const stream = Readable.from(this.chunks(wanted), { objectMode: false, highWaterMark: READ_BUFFER_BYTES });
    stream.once('close', () => this.release(wanted));
    return stream;
  }

  /** The same in one buffer, for small answers. */
  async readWhole(slices: BlobSlice[], start: number, end: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (const { blob, offset, length } of cut(slices, start, end)) {
      const handle = await open(this.pathOf(blob));
      try {
        chunks.push((await handle.read(Buffer.allocUnsafe(length), 0, length, offset)).buffer);
      } finally {
        await handle.close();
      }
    }
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }

  private async *chunks(slices: BlobSlice[]): AsyncGenerator<Buffer> {
    for (const { blob, offset, length } of slices) {
      yield* createReadStream(this.pathOf(blob), {
        start: offset,
        end: offset + length - 1,
        highWaterMark: READ_BUFFER_BYTES,
      }) as AsyncIterable<Buffer>;
    }
  }

  private nextName(): string {
    this.created += 1;
    return `${hexByte(this.created & 255)}${this.run}${this.created.toString(36)}`;
  }

  private pathOf(blob: string): string {
    return join(this.dir, blob.slice(0, 2), blob);
  }
}

export function lengthOf(slices: BlobSlice[]): number {
  return slices.reduce((sum, slice) => sum + slice.length, 0);
}

/** The part [start, end) of the joined slices, as slices. */
export function cut(slices: BlobSlice[], start: number, end: number): BlobSlice[] {
  const result: BlobSlice[] = [];
  let at = 0;
  for (const { blob, offset, length } of slices) {
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, length);
    if (from < to) result.push({ blob, offset: offset + from, length: to - from });
    at += length;
  }
  return result;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
