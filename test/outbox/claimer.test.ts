import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Spool } from '../../src/custody/spool';
import { directCalls } from '../../src/outbox/claim-calls';
import { type Claim, Claimer, type ClaimerOptions, type SettledFile } from '../../src/outbox/claimer';
import { STRANGER, whileUser } from '../support/as-user';
import { itWhere, missingForMounts, missingForUsers } from '../support/needs';
import { filesIn, settledFilesOf } from '../support/outbox-folder';

function readLinkIfThere(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

describe('a claim', () => {
  let dir: string;
  let outbox: string;
  let spool: Spool;
  let batch: number;
  let mounts: string[];
  /** What this process has open of this test's folders. */
  const openFiles = (): string[] =>
    readdirSync('/proc/self/fd').flatMap((fd) => {
      const file = readLinkIfThere(`/proc/self/fd/${fd}`);
      return file?.startsWith(dir) === true ? [file] : [];
    });

  beforeEach(() => {
    mounts = [];
    batch = 0;
    dir = mkdtempSync(join(tmpdir(), 'claim-'));
    chmodSync(dir, 0o755);
    outbox = join(dir, 'outbox');
    mkdirSync(outbox);
    spool = Spool.locate(outbox, join(dir, 'spool'), true)!;
  });
  afterEach(() => {
    const stillOpen = openFiles();
    for (const mount of mounts) execFileSync('umount', ['-l', mount]);
    rmSync(dir, { recursive: true, force: true });
    expect(stillOpen).toEqual([]); // whatever happened
  });

  const drop = (path: string, content = path): string => {
    const file = join(outbox, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, content);
    return file;
  };
  const claim = (files: readonly SettledFile[], options: Partial<ClaimerOptions> = {}): Promise<Claim> =>
    new Claimer({
      outbox,
      spool: () => spool,
      nextBatch: () => ++batch,
      mayBreakHold: () => false,
      prunesFolders: false,
      calls: directCalls,
      ...options,
    }).claim(files);
  const spooled = (): string[] => filesIn(spool.folder).map((file) => file.slice(spool.folder.length + 1));
  const namesOf = (files: readonly { readonly path: Buffer }[]): string[] => files.map(({ path }) => path.toString());

  it.each([3, 40])('of %d files moves them, folders and all, into a batch of their own', async (count) => {
    for (let i = 0; i < count; i++) drop(`deep/${i % 3}/f${i}`);
    const { claimed, restless, refused } = await claim(settledFilesOf(outbox));
    expect([claimed.length, restless, refused]).toEqual([count, [], []]);
    expect(new Set(claimed.map((file) => file.batch))).toEqual(new Set([1]));
    expect(filesIn(outbox)).toEqual([]);
    expect(spooled()).toHaveLength(count);
    expect(readFileSync(spool.filePath(1, Buffer.from('deep/1/f1')), 'utf8')).toBe('deep/1/f1');
  });

  it('finds nothing behind a link that took the place of a folder', async () => {
    drop('a/b/file', 'mine');
    mkdirSync(join(dir, 'elsewhere/b'), { recursive: true });
    writeFileSync(join(dir, 'elsewhere/b/file'), 'theirs');
    const files = settledFilesOf(outbox);
    renameSync(join(outbox, 'a'), join(dir, 'away'));
    symlinkSync(join(dir, 'elsewhere'), join(outbox, 'a'));
    expect(await claim(files)).toMatchObject({ claimed: [], restless: [], refused: [] });
    expect(readFileSync(join(dir, 'elsewhere/b/file'), 'utf8')).toBe('theirs');
  });

  it.each([
    ['a link', (file: string) => symlinkSync('/etc/passwd', file)],
    ['a folder', (file: string) => mkdirSync(file)],
    ['a FIFO', (file: string) => void execFileSync('mkfifo', [file])],
  ])('leaves alone %s that took the place of a file', async (_, put) => {
    const file = drop('a');
    const files = settledFilesOf(outbox);
    rmSync(file);
    put(file);
    expect(await claim(files)).toMatchObject({ claimed: [], restless: [], refused: [] });
    expect(lstatSync(file).isFile()).toBe(false);
    expect(spooled()).toEqual([]);
  });

  it.each([
    ['another file was renamed over it', (file: string, other: string) => renameSync(other, file)],
    ['it was written to', (file: string) => writeFileSync(file, 'longer than before')],
  ])('makes no row when meanwhile %s', async (_, change) => {
    const file = drop('a');
    const files = settledFilesOf(outbox);
    writeFileSync(join(dir, 'other'), 'b');
    change(file, join(dir, 'other'));
    const { claimed, restless } = await claim(files);
    expect(claimed).toEqual([]);
    expect(restless).toEqual([{ batch: 1, path: Buffer.from('a') }]);
    expect(spooled()).toEqual(['0000000001/a']);
  });

  it('takes both names of one file', async () => {
    linkSync(drop('a'), join(outbox, 'b'));
    expect(namesOf((await claim(settledFilesOf(outbox))).claimed)).toEqual(['a', 'b']);
    expect(spooled()).toHaveLength(2);
  });

  it('takes a name once, so that nothing goes over anything', async () => {
    drop('a');
    const [file] = settledFilesOf(outbox);
    expect((await claim([file!, file!])).claimed).toHaveLength(1);
  });

  it('of a folder that is gone claims nothing', async () => {
    drop('a');
    const files = settledFilesOf(outbox);
    rmSync(outbox, { recursive: true });
    expect(await claim(files)).toMatchObject({ claimed: [], restless: [], refused: [] });
  });

  it('makes the spool again where somebody cleared it away', async () => {
    drop('a');
    rmSync(spool.folder, { recursive: true });
    expect((await claim(settledFilesOf(outbox))).claimed).toHaveLength(1);
    expect(spooled()).toEqual(['0000000001/a']);
  });

  it('removes folders it has emptied where it may, and no others', async () => {
    drop('a/b/one');
    drop('a/two');
    drop('c/three');
    mkdirSync(join(outbox, 'a/empty'));
    await claim(settledFilesOf(outbox), { prunesFolders: true });
    expect(readdirSync(outbox)).toEqual(['a']);
    expect(readdirSync(join(outbox, 'a'))).toEqual(['empty']);
  });

  describe('among several users', () => {
    const strangers = (path: string, mode: number): string => {
      const file = drop(path);
      chownSync(file, 1, 1);
      chmodSync(file, mode);
      return file;
    };
    beforeEach(() => {
      chmodSync(outbox, 0o777);
      chownSync(spool.folder, STRANGER, STRANGER);
    });

    itWhere(missingForUsers(), 'leaves a file it may not read where it is, though it could rename it', async () => {
      const file = strangers('a', 0o600);
      drop('b');
      const { claimed, refused } = await whileUser(STRANGER, () => claim(settledFilesOf(outbox)));
      expect(namesOf(claimed)).toEqual(['b']);
      expect(refused).toMatchObject([{ why: { code: 'EACCES' } }]);
      expect(existsSync(file)).toBe(true);
    });

    itWhere(missingForUsers(), "sends another user's file in a sticky folder from where it lies", async () => {
      const file = strangers('a', 0o644);
      chmodSync(outbox, 0o1777);
      const { claimed } = await whileUser(STRANGER, () => claim(settledFilesOf(outbox)));
      expect(claimed).toMatchObject([{ batch: undefined }]);
      expect(existsSync(file)).toBe(true);
      expect(readdirSync(spool.folder)).toEqual([]);
    });

    itWhere(missingForUsers(), 'takes a file whose marker it may not remove once, not twice', async () => {
      chownSync(drop('a'), STRANGER, STRANGER);
      strangers('a.ready', 0o644);
      chmodSync(outbox, 0o1777);
      const files = settledFilesOf(outbox, { marker: '.ready' }).slice(0, 1);
      const { claimed } = await whileUser(STRANGER, () => claim(files));
      expect(claimed).toMatchObject([{ batch: 1 }]);
    });
  });

  itWhere(missingForMounts(), 'on a full disk leaves the files where they are and says why', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=12', 'none', outbox]);
    mounts.push(outbox);
    spool = Spool.locate(outbox, join(outbox, '.courier'), true)!;
    expect(() => {
      for (let i = 0; i < 20; i++) drop(`f${i}`);
    }).toThrow('ENOSPC');
    const files = settledFilesOf(outbox);
    const { claimed, refused } = await claim(files);
    expect(claimed).toEqual([]);
    expect(refused).toHaveLength(files.length);
    expect(refused[0]).toMatchObject({ why: { code: 'ENOSPC' } });
    expect(settledFilesOf(outbox)).toEqual(files);
  });
});
