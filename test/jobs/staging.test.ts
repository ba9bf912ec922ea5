import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobFileRow } from '../../src/jobs/jobs-table';
import { landStaged } from '../../src/jobs/land-staged';
import { Staging } from '../../src/jobs/staging';
import { UnpackedFolder } from '../../src/jobs/unpacked-folder';
import { asUser, STRANGER } from '../support/as-user';
import { itWhere, missingForUsers } from '../support/needs';

let dir: string;
let folder: string;
let elsewhere: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'staging-'));
  folder = join(dir, 'jobs');
  elsewhere = join(dir, 'elsewhere');
  mkdirSync(folder);
  mkdirSync(elsewhere);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const JOB = 7;
const name = `.courier-job-${JOB}`;

/** What somebody does who may write to the jobs' folder as well. */
function swap(path: string): void {
  renameSync(path, join(dir, 'aside'));
  symlinkSync(elsewhere, path);
}

const row = (number: number, path: string, unpack: JobFileRow['unpack']): JobFileRow => ({
  number,
  source: 's',
  path,
  unpack,
  state: 'staged',
  etag: undefined,
  md5: undefined,
  sizeBytes: 1,
  durableBytes: 0,
  bootId: undefined,
  verified: undefined,
  inode: undefined,
  uploadId: undefined,
});

async function* bytes(text: string): AsyncIterable<Buffer> {
  yield Buffer.from(text);
}

const unpackInto = async (staging: Staging, number: number, ...names: readonly string[]): Promise<void> => {
  const tree = staging.makeTree(number);
  const limits = { maxBytes: 1_000, maxFiles: 10 };
  const into = new UnpackedFolder(tree, limits, 0o644, new AbortController().signal);
  for (const each of names) await into.add(each, undefined, bytes(each));
  tree.close();
};

describe('the folder that files of a job wait in', () => {
  it('is not left when it is swapped for a symlink', async () => {
    const staging = Staging.open(folder, JOB);
    swap(join(folder, name));
    await unpackInto(staging, 0, 'a', 'sub/b');
    writeFileSync(staging.file(1), 'c');
    expect(readdirSync(elsewhere)).toEqual([]);
    mkdirSync(join(elsewhere, '0.d'));
    writeFileSync(join(elsewhere, '0.d/a'), 'not ours');
    expect(await landStaged(folder, [row(0, 'x', 'zip'), row(1, 'c', 'none')], staging, false)).toBe(true);
    staging.close();
    expect(readFileSync(join(folder, 'x/a'), 'utf8')).toBe('a');
    expect(readFileSync(join(folder, 'x/sub/b'), 'utf8')).toBe('sub/b');
    expect(readFileSync(join(folder, 'c'), 'utf8')).toBe('c');
    expect(readdirSync(elsewhere, { recursive: true })).toEqual(['0.d', '0.d/a']);
  });

  it('is not begun in, nor emptied, where a symlink has its name: that goes', () => {
    writeFileSync(join(elsewhere, 'mine'), '');
    symlinkSync(elsewhere, join(folder, name));
    expect(() => Staging.open(folder, JOB)).toThrow(expect.objectContaining({ code: 'DISK_FAILED' }));
    Staging.discard(folder, JOB);
    symlinkSync(elsewhere, join(folder, name));
    Staging.sweep(folder, []);
    expect([readdirSync(folder), readdirSync(elsewhere)]).toEqual([[], ['mine']]);
  });

  itWhere(missingForUsers(), 'stays where it cannot be removed, and goes with a later sweep', async () => {
    chmodSync(dir, 0o755);
    const staging = Staging.open(folder, JOB);
    await unpackInto(staging, 0, 'a');
    staging.close();
    asUser(STRANGER, () => {
      Staging.discard(folder, JOB);
      Staging.sweep(folder, []);
    });
    expect(readdirSync(folder)).toEqual([name]);
    Staging.sweep(folder, [JOB]);
    expect(readdirSync(folder)).toEqual([name]);
    Staging.sweep(folder, [JOB + 1]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('has let a file go for good when that, and no other, has got its name', async () => {
    const staging = Staging.open(folder, JOB);
    writeFileSync(staging.file(0), 'a');
    const landed = { ...row(0, 'sub/a', 'none'), inode: String(statSync(staging.file(0), { bigint: true }).ino) };
    expect(await landStaged(folder, [landed], staging, false)).toBe(true);
    expect(await landStaged(folder, [landed], staging, true)).toBe(true); // killed before it was noted
    writeFileSync(join(folder, 'sub/b'), 'of somebody else');
    renameSync(join(folder, 'sub/b'), join(folder, 'sub/a'));
    expect(await landStaged(folder, [landed], staging, true)).toBe(false);
    rmSync(join(folder, 'sub'), { recursive: true });
    expect(await landStaged(folder, [landed], staging, true)).toBe(false);
    staging.close();
  });

  it.each(['0.d', '0.d/sub'])('lands nothing through a symlink that %s has become', async (inside) => {
    const staging = Staging.open(folder, JOB);
    await unpackInto(staging, 0, 'sub/b');
    const moves = landStaged(folder, [row(0, '', 'zip')], staging, false);
    await moves;
    expect(readdirSync(folder).sort()).toEqual([name, 'sub']);
    await unpackInto(staging, 0, 'sub/b');
    swap(join(folder, name, inside));
    mkdirSync(join(elsewhere, 'sub'));
    for (const victim of ['b', 'sub/b']) writeFileSync(join(elsewhere, victim), 'not ours');
    await landStaged(folder, [row(0, '', 'zip')], staging, false).catch(() => undefined);
    staging.close();
    expect(readFileSync(join(folder, 'sub/b'), 'utf8')).toBe('sub/b');
    expect(readFileSync(join(elsewhere, 'sub/b'), 'utf8')).toBe('not ours');
    expect(readFileSync(join(elsewhere, 'b'), 'utf8')).toBe('not ours');
  });
});
