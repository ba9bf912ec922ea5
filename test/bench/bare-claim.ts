// node --import tsx bare-claim.ts OUTBOX DIR
//
// The limit that row 7 is compared with: the system calls and the INSERT of each file that a claim cannot do without, in
// one thread, and nothing else: no rules, no settling, no open writers, no keys, nobody to answer beside. Prints what it
// took, from its first call to its last commit, as JSON.
import { execFile } from 'node:child_process';
import {
  type BigIntStats,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readdirSync,
  renameSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as others } from 'node:timers/promises';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';

const run = promisify(execFile);
const BATCH = 4_096;
const LOOKS_AT_A_TIME = 256;

interface Found {
  readonly path: string;
  readonly stats: BigIntStats;
}

async function main([outbox, dir]: readonly string[]): Promise<void> {
  const spool = join(dir!, 'spool');
  mkdirSync(spool, { recursive: true });
  const insert = openLedger(join(dir!, 'bare.sqlite'));
  const begunMs = performance.now();
  let written: Promise<void> = Promise.resolve();
  let files: Found[] = [];
  let batches = 0;
  let count = 0;
  const flush = async (): Promise<void> => {
    const moved = claim(files, outbox!, join(spool, String(++batches)));
    count += moved.length;
    files = [];
    const before = written; // the next batch is looked for and moved while this one is made durable
    written = run('sync', ['-f', spool]).then(async () => {
      await before;
      insert(batches, moved);
    });
    await before;
  };
  for (const found of look(outbox!)) {
    files.push(found);
    if (files.length % LOOKS_AT_A_TIME === 0) await others();
    if (files.length === BATCH) await flush();
  }
  if (files.length > 0) await flush();
  await written;
  const { user, system } = process.cpuUsage();
  const wallMs = performance.now() - begunMs;
  const peakRssKib = process.resourceUsage().maxRSS;
  console.log(JSON.stringify({ files: count, wallMs, cpuMs: (user + system) / 1000, peakRssKib }));
}

function* look(outbox: string): Generator<Found> {
  const folders = ['', ...readdirSync(outbox).filter((name) => lstatSync(join(outbox, name)).isDirectory())];
  for (const folder of folders) {
    const handle = opendirSync(join(outbox, folder), { bufferSize: LOOKS_AT_A_TIME });
    for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) {
      if (entry.isDirectory()) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      yield { path, stats: lstatSync(`${outbox}/${path}`, { bigint: true }) };
    }
    handle.closeSync();
  }
}

/** @returns what was moved, as it is then */
function claim(files: readonly Found[], outbox: string, batch: string): readonly Found[] {
  mkdirSync(batch);
  for (const { path } of files) {
    const fd = openSync(`${outbox}/${path}`, 'r');
    fstatSync(fd);
    closeSync(fd);
  }
  const folders = new Set(files.flatMap(({ path }) => (path.includes('/') ? [path.slice(0, path.indexOf('/'))] : [])));
  for (const folder of folders) mkdirSync(join(batch, folder));
  for (const { path } of files) renameSync(`${outbox}/${path}`, `${batch}/${path}`);
  return files.map(({ path }) => ({ path, stats: lstatSync(`${batch}/${path}`, { bigint: true }) }));
}

/** A row is a path, when and what: the least that can be sent from, found by its path and in the order of arrival. */
function openLedger(file: string): (batch: number, files: readonly Found[]) => void {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(`CREATE TABLE file (id INTEGER PRIMARY KEY, batch INTEGER, path BLOB, size INTEGER, content TEXT, place TEXT) STRICT;
    CREATE INDEX file_path ON file (path, id)`);
  const row = db.prepare('INSERT INTO file (batch, path, size, content, place) VALUES (?, ?, ?, ?, ?)');
  return db.transaction((batch: number, files: readonly Found[]) => {
    for (const { path, stats } of files)
      row.run(
        batch,
        Buffer.from(path),
        Number(stats.size),
        `${stats.size}:${stats.mtimeNs}`,
        `${stats.ino}:${stats.ctimeNs}`,
      );
  });
}

void main(process.argv.slice(2));
