import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { Header } from 'tar';

const BLOCK_BYTES = 512;

/** An archive with these files, by name. */
export function packArchive(kind: 'tar.gz' | 'zip', files: ReadonlyMap<string, Buffer>): Buffer {
  if (kind === 'zip') return Buffer.from(zipSync(Object.fromEntries(files)));
  const blocks = [...files].flatMap(([path, bytes]) => {
    const head = Buffer.alloc(BLOCK_BYTES);
    new Header({ path, mode: 0o644, size: bytes.length, type: 'File', mtime: new Date(0) }).encode(head);
    return [head, bytes, Buffer.alloc(-bytes.length & (BLOCK_BYTES - 1))];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)]));
}
