import fs, { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WalkOptions, walkFolder } from '../../src/custody/walk-folder';

const MANY = 600;
const openFiles = (): number => readdirSync('/proc/self/fd').length;
const all = (folder: string, options: Partial<WalkOptions> = {}) =>
  [...walkFolder(folder, { isIgnored: () => false, ...options })].filter((found) => found !== undefined);
const namesOf = (entries: readonly { readonly path: Buffer }[]): string[] =>
  entries.map(({ path }) => path.toString()).sort();
const failing = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

describe('a walk', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'walk-'));
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(dir, { recursive: true, force: true });
  });

  it('comes by each file once, and leaves nothing open', () => {
    mkdirSync(join(dir, 'many/below'), { recursive: true });
    const made = Array.from({ length: MANY }, (_, i) => `many/${i}`);
    for (const name of [...made, 'first', 'many/below/last']) writeFileSync(join(dir, name), 'x');
    const before = openFiles();
    const entriesOf = new Map<string, number>();
    const options = { onFolder: (path: Buffer, entries: number) => void entriesOf.set(path.toString(), entries) };
    expect(namesOf(all(dir, options))).toEqual([...made, 'first', 'many/below/last'].sort());
    expect(Object.fromEntries(entriesOf)).toEqual({ '': 2, many: MANY + 1, 'many/below': 1 });
    expect(openFiles()).toBe(before);
  });

  it('goes into no folder that is ignored, and tells what is no file', () => {
    for (const folder of ['.hidden', 'seen']) mkdirSync(join(dir, folder));
    for (const name of ['.hidden/a', 'seen/b', 'seen/b.tmp']) writeFileSync(join(dir, name), 'x');
    symlinkSync('b', join(dir, 'seen/link'));
    const isIgnored = (path: Buffer): boolean => /(?:^|\/)\.|\.tmp$/.test(path.toString());
    expect(all(dir, { isIgnored })).toEqual(
      expect.arrayContaining([
        { path: Buffer.from('seen/b'), folder: Buffer.from('seen'), stats: expect.anything() },
        { path: Buffer.from('seen/link'), kind: 'symlink' },
      ]),
    );
    expect(all(dir, { isIgnored })).toHaveLength(2);
  });

  it('goes on after a file that its disk cannot look up', () => {
    for (const name of ['a', 'b', 'c']) writeFileSync(join(dir, name), 'x');
    const { lstatSync } = fs;
    jest.spyOn(fs, 'lstatSync').mockImplementation(((path: fs.PathLike, options: object) => {
      if (path.toString().endsWith('/b')) throw failing('EIO');
      return lstatSync(path, options);
    }) as typeof lstatSync);
    const found = all(dir);
    expect(namesOf(found)).toEqual(['a', 'b', 'c']);
    expect(found.filter((entry) => 'cause' in entry)).toEqual([
      { path: Buffer.from('b'), cause: expect.objectContaining({ code: 'EIO' }) },
    ]);
  });

  it('keeps what it read of a folder before that failed', () => {
    for (const name of ['a', 'b', 'c']) writeFileSync(join(dir, name), 'x');
    const original = fs.Dir.prototype.readSync;
    let reads = 0;
    jest.spyOn(fs.Dir.prototype, 'readSync').mockImplementation(function read(this: fs.Dir) {
      reads += 1;
      if (reads > 2) throw failing('EIO');
      return original.call(this);
    });
    const found = all(dir);
    expect(found.filter((entry) => 'stats' in entry)).toHaveLength(2);
    expect(found.at(-1)).toEqual({ path: Buffer.alloc(0), cause: expect.objectContaining({ code: 'EIO' }) });
  });

  it('says that a folder is not there', () => {
    expect(all(join(dir, 'none'))).toEqual([
      { path: Buffer.alloc(0), cause: expect.objectContaining({ code: 'ENOENT' }) },
    ]);
  });
});
