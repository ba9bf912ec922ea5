import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import { Ledger } from '../../src/custody/ledger';
import { itWhere, missingForMounts } from '../support/needs';
import { silentLog } from '../support/silent-log';

const ROWS = 2_000;

describe('a full disk', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'full-'));
    if (missingForMounts('tmpfs') === undefined)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', dir], { stdio: 'ignore' });
  });
  afterEach(() => {
    if (missingForMounts('tmpfs') === undefined) execFileSync('umount', [dir]);
    rmSync(dir, { recursive: true, force: true });
  });

  itWhere(missingForMounts('tmpfs'), 'is written on by giving up the reserve, which is said', async () => {
    const told: string[] = [];
    const log = { ...silentLog, error: (_: object, message: string) => void told.push(message) };
    const migrations = ['CREATE TABLE thing (n INTEGER PRIMARY KEY, text TEXT) STRICT'];
    const ledger = Ledger.open({ dir, migrations, clock: systemClock, log });
    const insert = (n: number): Promise<unknown> =>
      ledger.write(() => ledger.db.prepare('INSERT INTO thing VALUES (?, ?)').run(n, 'x'.repeat(200)));
    await insert(0);
    expect(existsSync(join(dir, 'reserve'))).toBe(true);
    fill(join(dir, 'filler'));
    await Promise.all(Array.from({ length: ROWS }, (_, i) => insert(i + 1)));
    expect(told).toEqual(['the disk is full, the reserve is given up; free some space']);
    expect(existsSync(join(dir, 'reserve'))).toBe(false);
    const { n } = ledger.db.prepare('SELECT COUNT(*) AS n FROM thing').get() as { n: number };
    expect(n).toBe(ROWS + 1);
    ledger.close();
  });
});

/** Until nothing more goes in. */
function fill(file: string): void {
  const fd = openSync(file, 'w');
  try {
    for (const block of [Buffer.alloc(64 * 1024), Buffer.alloc(4 * 1024)]) {
      try {
        for (;;) writeSync(fd, block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
}
