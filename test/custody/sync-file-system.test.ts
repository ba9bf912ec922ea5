import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { syncFileSystem } from '../../src/custody/sync-file-system';

const MODULE = resolve(__dirname, '../../src/custody/sync-file-system.ts');

describe('syncing a file system', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sync-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** With this script found as `sync`. @returns how it was called, and what was thrown */
  function syncWith(script: string): { calls: string; thrown: string } {
    const calls = join(dir, 'calls');
    writeFileSync(join(dir, 'sync'), `#!/bin/sh\necho "$@" >> '${calls}'\n${script}\n`);
    chmodSync(join(dir, 'sync'), 0o755);
    const program = `require(${JSON.stringify(MODULE)}).syncFileSystem('/data').catch((error) => process.stdout.write(error.message))`;
    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', '-e', program], {
      env: { ...process.env, PATH: `${dir}:${process.env.PATH}` },
      encoding: 'utf8',
    });
    return { calls: readFileSync(calls, 'utf8'), thrown: stdout };
  }

  it('is done by the system', async () => {
    await syncFileSystem(dir);
  });

  it('is done for all of them where -f is not known', () => {
    const done = syncWith('[ $# -eq 0 ] || { echo "sync: unrecognized option: f" >&2; exit 1; }');
    expect(done).toEqual({ calls: '-f /data\n\n', thrown: '' });
  });

  it('fails when the disk fails', () => {
    const done = syncWith('echo "sync: error syncing /data: Input/output error" >&2; exit 1');
    expect(done).toEqual({ calls: '-f /data\n', thrown: expect.stringContaining('Input/output error') });
  });
});
