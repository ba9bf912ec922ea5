import { randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export interface SourceFile {
  readonly name: string;
  readonly size: number;
  readonly crc32: number;
}

/** What a run has to move: files of random bytes in one folder. */
export interface SourceFiles {
  readonly dir: string;
  readonly files: readonly SourceFile[];
  readonly totalBytes: number;
}

const PIECE_BYTES = 4 * 1024 * 1024;

export function makeSourceFiles(dir: string, count: number, sizeBytes: number): SourceFiles {
  mkdirSync(dir);
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, sizeBytes));
  const files = Array.from({ length: count }, (_, i) => {
    const name = `file-${String(i).padStart(5, '0')}.bin`;
    return { name, size: sizeBytes, crc32: writeRandomFile(join(dir, name), sizeBytes, piece) };
  });
  return { dir, files, totalBytes: count * sizeBytes };
}

function writeRandomFile(path: string, sizeBytes: number, piece: Buffer): number {
  if (sizeBytes <= piece.length) {
    writeFileSync(path, randomFillSync(piece));
    return crc32(piece);
  }
  const file = openSync(path, 'w');
  let crc = 0;
  for (let written = 0; written < sizeBytes; ) {
    const bytes = randomFillSync(piece).subarray(0, sizeBytes - written);
    writeSync(file, bytes);
    crc = crc32(bytes, crc);
    written += bytes.length;
  }
  closeSync(file);
  return crc;
}
