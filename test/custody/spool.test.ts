import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Spool } from '../../src/custody/spool';
import { asUser, STRANGER } from '../support/as-user';
import { itWhere, missingForMounts, missingForUsers } from '../support/needs';

describe('the spool is', () => {
  let dir: string;
  let mounts: string[] = [];
  const at = (name: string): string => join(dir, name);
  const locate = (wanted = true): Spool | undefined => Spool.locate(at('data/outbox'), at('state/spool/o'), wanted);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'spool-'));
    chmodSync(dir, 0o755);
    mkdirSync(at('data/outbox'), { recursive: true });
    mkdirSync(at('state'));
  });
  afterEach(() => {
    for (const mount of mounts.reverse()) execFileSync('umount', [mount]);
    mounts = [];
    rmSync(dir, { recursive: true, force: true });
  });
  function mount(...args: string[]): void {
    execFileSync('mount', args);
    mounts.push(args.at(-1)!);
  }

  it('in the state folder, where a file can be renamed into it', () => {
    const spool = locate()!;
    expect(spool).toMatchObject({ folder: at('state/spool/o'), takesFiles: true, warning: undefined });
    expect(statSync(spool.folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(at('data/outbox'))).toEqual([]);
    expect(readdirSync(spool.folder)).toEqual([]);
  });

  itWhere(missingForMounts(), 'beside the outbox, when the state folder is on another file system', async () => {
    mount('-t', 'tmpfs', 'none', at('state'));
    expect(locate()).toMatchObject({ folder: at('data/.outbox.courier'), takesFiles: true, warning: undefined });
    expect(readdirSync(at('state'))).toEqual([]);
  });

  itWhere(
    missingForMounts(),
    'inside the outbox, with a warning, when that is a bind mount: one device, and yet no rename',
    async () => {
      mkdirSync(at('real'));
      mount('--bind', at('real'), at('data/outbox'));
      expect(statSync(at('real')).dev).toBe(statSync(at('data')).dev);
      expect(locate()).toMatchObject({ folder: at('data/outbox/.courier'), takesFiles: true });
      expect(locate()?.warning).toMatch(/clear them too, so let the daemon's user write to/);
      expect(existsSync(at('data/.outbox.courier'))).toBe(false);
    },
  );

  itWhere(missingForMounts(), 'nowhere, when the outbox is read-only', async () => {
    mkdirSync(at('real'));
    mount('--bind', at('real'), at('data/outbox'));
    execFileSync('mount', ['-o', 'remount,bind,ro', at('data/outbox')]);
    expect(locate()).toBeUndefined();
  });

  itWhere(missingForUsers(), 'nowhere, when the outbox belongs to somebody else', async () => {
    chownSync(at('state'), STRANGER, STRANGER);
    expect(asUser(STRANGER, () => locate())).toBeUndefined();
  });

  itWhere(missingForUsers(), 'nowhere, when the outbox may not even be entered', async () => {
    chownSync(at('state'), STRANGER, STRANGER);
    chmodSync(at('data/outbox'), 0o700);
    expect(asUser(STRANGER, () => locate())).toBeUndefined();
  });

  it('nowhere, when the outbox is no folder', () => {
    rmSync(at('data/outbox'), { recursive: true });
    writeFileSync(at('data/outbox'), '');
    expect(locate()).toBeUndefined();
  });

  it('nowhere, when nobody wants one', () => {
    expect(locate(false)).toBeUndefined();
  });

  it('where it was, as long as it holds batches', () => {
    mkdirSync(at('data/.outbox.courier/0000000007'), { recursive: true });
    expect(locate(false)).toMatchObject({ folder: at('data/.outbox.courier'), takesFiles: true });
    expect(locate()?.batches()).toEqual([7]);
  });

  itWhere(missingForMounts(), 'emptied also when the disk is full', async () => {
    mount('-t', 'tmpfs', '-o', 'nr_inodes=12', 'none', at('data'));
    mkdirSync(at('data/outbox'));
    mkdirSync(at('data/.outbox.courier/0000000001'), { recursive: true });
    expect(() => {
      for (let i = 0; i < 20; i++) writeFileSync(at(`data/outbox/${i}`), '');
    }).toThrow('ENOSPC');
    expect(locate()).toMatchObject({ folder: at('data/.outbox.courier'), takesFiles: true });
  });

  it('not a folder that somebody put there as a link', () => {
    mkdirSync(at('theirs'));
    mkdirSync(at('state/spool'));
    symlinkSync(at('theirs'), at('state/spool/o'));
    expect(locate()?.folder).toBe(at('data/.outbox.courier'));
  });

  itWhere(missingForUsers(), 'not a folder that belongs to somebody else, or that others may write to', async () => {
    mkdirSync(at('state/spool/o'), { recursive: true });
    chownSync(at('state/spool/o'), STRANGER, STRANGER);
    mkdirSync(at('data/.outbox.courier'));
    chmodSync(at('data/.outbox.courier'), 0o777);
    expect(locate()?.folder).toBe(at('data/outbox/.courier'));
  });
});

describe('a batch of the spool', () => {
  let dir: string;
  let spool: Spool;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'spool-'));
    mkdirSync(join(dir, 'outbox'));
    spool = Spool.locate(join(dir, 'outbox'), join(dir, 'spool'), true)!;
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is never shared, and batches come in order', () => {
    for (const batch of [10, 9, 2]) spool.createBatch(batch).close();
    expect(() => spool.createBatch(9)).toThrow('EEXIST');
    writeFileSync(join(spool.folder, 'note.txt'), '');
    expect(spool.batches()).toEqual([2, 9, 10]);
  });

  it('goes with its last file, folder by folder', () => {
    spool.createBatch(1).close();
    mkdirSync(join(spool.batchPath(1), 'a/b'), { recursive: true });
    writeFileSync(spool.filePath(1, Buffer.from('c')), '');
    expect(spool.removeEmpty(1, Buffer.from('a/b/file'))).toBe(false);
    expect(readdirSync(spool.batchPath(1))).toEqual(['c']);
    rmSync(spool.filePath(1, Buffer.from('c')));
    expect(spool.removeEmpty(1, Buffer.from('c'))).toBe(true);
    expect(spool.batches()).toEqual([]);
  });

  it('can be made again when somebody cleared the spool away', () => {
    rmSync(spool.folder, { recursive: true });
    spool.createBatch(1).close();
    expect(spool.batches()).toEqual([1]);
  });
});
