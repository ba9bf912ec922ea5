import { createHash, randomFillSync } from 'node:crypto';
import { mkdirSync, renameSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface DemoFile {
  /** Relative to the outbox. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of what was written, hex: it holds whatever becomes of the source. */
  readonly sha256: string;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const READINGS = 24;

const SIZES: Readonly<Record<string, number>> = {
  'empty.bin': 0,
  'one byte.bin': 1,
  '5 MiB - 1.bin': 5 * MIB - 1,
  '5 MiB.bin': 5 * MIB,
  'one more than a single PutObject takes.bin': 8 * MIB + 1,
  '64 MiB.bin': 64 * MIB,
  'folder/in a folder/in another/deep.log': 40 * KIB,
  ' space first,  two inside, one last ': 700,
  'Größe, Ångström, ñandú.txt': 2 * KIB,
  // The same for a person, two names for the disk and for S3.
  'Caf\u00e9.txt': 301,
  'Cafe\u0301.txt': 302,
  '测量/データ/측정.csv': 9 * KIB,
  'Ελληνικά и кириллица עברית.csv': 3 * KIB,
  '🚚📦👩‍🔧.jpg': 300 * KIB,
  'a+b.txt': 500,
  '100%.txt': 501,
  'R&D.txt': 502,
  '#1.txt': 503,
  'looks encoded %2B%2F%25+%20.txt': 504,
  'all of + % & # = ? @ : ; , $ ! * ( ) [ ] { } < > | ^ ~ `.txt': 505,
  'quotes " \' and \\ backslash.txt': 506,
  '--looks-like-an-option': 65,
  [`${'long name '.repeat(24)}.txt`]: 66,
};

/** Writes the demo's files below `folder`. Fast: random bytes, a MiB at a time. */
export async function writeDemoFiles(folder: string): Promise<DemoFile[]> {
  const sizes = { ...SIZES };
  for (let i = 0; i < READINGS; i++) sizes[`readings/2026-11/${String(i).padStart(2, '0')}.csv`] = 1_000 + 97 * i;
  const buffer = Buffer.allocUnsafe(MIB);
  const files: DemoFile[] = [];
  for (const [path, sizeBytes] of Object.entries(sizes))
    files.push({ path, sizeBytes, sha256: await writeRandom(join(folder, path), sizeBytes, buffer) });
  return files;
}

/** From `staging` into the outbox as a careful producer does it: by rename, whole or not at all. */
export function dropDemoFiles(files: readonly DemoFile[], staging: string, outbox: string): void {
  for (const { path } of files) {
    mkdirSync(dirname(join(outbox, path)), { recursive: true });
    renameSync(join(staging, path), join(outbox, path));
  }
}

/** @returns SHA-256, hex */
async function writeRandom(path: string, sizeBytes: number, buffer: Buffer): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    for (let left = sizeBytes; left > 0; ) {
      const bytes = randomFillSync(buffer.subarray(0, Math.min(left, buffer.length)));
      hash.update(bytes);
      await file.writeFile(bytes); // at the position the last one ended
      left -= bytes.length;
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}
