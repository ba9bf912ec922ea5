import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderHandle, joinPath, splitPath } from '../../src/custody/folder-handle';

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('a folder by its handle', () => {
  let dir: string;
  let root: FolderHandle;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'folder-'));
    mkdirSync(join(dir, 'a/b/c'), { recursive: true });
    writeFileSync(join(dir, 'a/b/c/file'), 'x');
    root = FolderHandle.open(dir);
  });
  afterEach(() => {
    root.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('reaches what lies below, name by name', () => {
    const below = root.openBelow(Buffer.from('a/b/c'));
    expect(below.findEntry(Buffer.from('file'))?.isFile()).toBe(true);
    expect(below.findEntry(Buffer.from('none'))).toBeUndefined();
    below.close();
    const itself = root.openBelow(Buffer.alloc(0));
    expect(itself.findEntry(Buffer.from('a'))?.isDirectory()).toBe(true);
    itself.close();
  });

  it.each(['a', 'a/b', 'a/b/c'])('does not follow a symlink put in place of %s', (swapped) => {
    mkdirSync(join(dir, 'elsewhere/b/c'), { recursive: true });
    renameSync(join(dir, swapped), join(dir, 'away'));
    symlinkSync(join(dir, 'elsewhere'), join(dir, swapped));
    const before = openFiles();
    expect(() => root.openBelow(Buffer.from('a/b/c'))).toThrow(/ELOOP|ENOTDIR/);
    expect(openFiles()).toBe(before);
  });

  it('stays the folder that was opened, when another takes its name', () => {
    const below = root.openBelow(Buffer.from('a/b'));
    renameSync(join(dir, 'a/b'), join(dir, 'moved'));
    mkdirSync(join(dir, 'a/b'));
    writeFileSync(below.child('new'), 'x');
    expect(existsSync(join(dir, 'moved/new'))).toBe(true);
    below.close();
  });

  it('takes names as bytes', () => {
    const shiftJis = Buffer.from([0x83, 0x65, 0x83, 0x58, 0x83, 0x67]);
    const made = root.makeChild(shiftJis);
    expect(readdirSync(dir, { encoding: 'buffer' }).some((name) => name.equals(shiftJis))).toBe(true);
    made.close();
  });

  it('splits and joins paths of bytes', () => {
    const path = Buffer.from([0x61, 0x2f, 0xff, 0x2f, 0x62]);
    const { folder, name } = splitPath(path);
    expect([folder, name]).toEqual([Buffer.from([0x61, 0x2f, 0xff]), Buffer.from('b')]);
    expect(joinPath(folder, name)).toEqual(path);
    expect(joinPath(Buffer.alloc(0), name)).toEqual(name);
    expect(splitPath(name).folder).toHaveLength(0);
  });
});
