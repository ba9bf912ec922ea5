import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

  it('is done file by file where there is no such command', () => {
    const spool = Buffer.from(join(dir, 'spool'));
    mkdirSync(Buffer.concat([spool, Buffer.from('/0000000001/a')]), { recursive: true });
    for (const name of ['/0000000001/b', '/0000000001/a/\u00e9'])
      writeFileSync(Buffer.concat([spool, Buffer.from(name, 'latin1')]), 'x'); // the second is not UTF-8
    const program = `
      const fs = require('node:fs/promises');
      const { open } = fs;
      const synced = [];
      fs.open = async (path, flags) => {
        const handle = await open(path, flags);
        const sync = handle.sync.bind(handle);
        handle.sync = () => { synced.push(path.toString('latin1').slice(${spool.length})); return sync(); };
        return handle;
      };
      require(${JSON.stringify(MODULE)}).syncFileSystem(${JSON.stringify(spool.toString())})
        .then(() => process.stdout.write(JSON.stringify(synced)));`;
    mkdirSync(join(dir, 'nothing'));
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '-e', program], {
      env: { ...process.env, PATH: join(dir, 'nothing') },
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect((JSON.parse(stdout) as string[]).sort()).toEqual([
      '',
      '/0000000001',
      '/0000000001/a',
      '/0000000001/a/\u00e9',
      '/0000000001/b',
    ]);
  });

  it('fails when the disk fails', () => {
    const done = syncWith('echo "sync: error syncing /data: Input/output error" >&2; exit 1');
    expect(done).toEqual({ calls: '-f /data\n', thrown: expect.stringContaining('Input/output error') });
  });
});
