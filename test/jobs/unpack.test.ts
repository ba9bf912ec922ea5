import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { strToU8, zipSync } from 'fflate';
import { Header } from 'tar';
import { FolderHandle } from '../../src/custody/folder-handle';
import { unpackTar } from '../../src/jobs/unpack-tar';
import { unpackZip } from '../../src/jobs/unpack-zip';
import { UnpackedFolder } from '../../src/jobs/unpacked-folder';
import { until } from '../support/until';

let dir: string;
let tree: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'unpack-'));
  tree = join(dir, 'tree');
  mkdirSync(tree);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const handles: FolderHandle[] = [];
const closeAll = (): void => {
  for (const handle of handles.splice(0)) handle.close();
};
afterEach(closeAll);

const into = (maxBytes = 1_000_000, maxFiles = 100) => {
  const handle = FolderHandle.open(tree);
  handles.push(handle);
  return new UnpackedFolder(handle, { maxBytes, maxFiles }, 0o640, new AbortController().signal);
};

const below = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[]).filter((name) => statSync(join(folder, name)).isFile()).sort();

function archive(kind: 'zip' | 'tar', bytes: Uint8Array): (folder?: UnpackedFolder) => Promise<void> {
  const file = join(dir, `archive.${kind}`);
  writeFileSync(file, bytes);
  return (folder = into()) => (kind === 'zip' ? unpackZip(file, folder) : unpackTar(file, folder));
}

/** A tar of one's own making: what no honest program packs. */
function tarOf(...entries: readonly { path: string; type?: string; linkpath?: string; content?: string }[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { path, type = 'File', linkpath = '', content = '' } of entries) {
    const block = Buffer.alloc(512);
    const size = Buffer.byteLength(content);
    new Header({ path, type: type as 'File', linkpath, size, mode: 0o755, mtime: new Date(0) }).encode(block);
    const body = Buffer.alloc(Math.ceil(size / 512) * 512);
    body.write(content);
    blocks.push(block, body);
  }
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

describe('an archive', () => {
  it('of tar.gz, as tar packs it, is unpacked: folders, modes, long names', async () => {
    const source = join(dir, 'source');
    const long = `deep/${'long-'.repeat(40)}name/${'x'.repeat(120)}.txt`;
    for (const [name, content] of Object.entries({ 'a.txt': 'hello', 'deep/b c.sh': '#!/bin/sh', [long]: 'far' })) {
      mkdirSync(dirname(join(source, name)), { recursive: true });
      writeFileSync(join(source, name), content);
    }
    mkdirSync(join(source, 'empty'));
    execFileSync('chmod', ['750', join(source, 'deep/b c.sh')]);
    execFileSync('tar', ['-czf', join(dir, 'archive.tar'), '-C', source, '.']);
    const folder = into();
    await unpackTar(join(dir, 'archive.tar'), folder);
    expect(below(tree)).toEqual(['a.txt', 'deep/b c.sh', long].sort());
    expect(readFileSync(join(tree, 'a.txt'), 'utf8')).toBe('hello');
    expect(statSync(join(tree, 'deep/b c.sh')).mode & 0o777).toBe(0o750);
    expect(folder).toMatchObject({ files: 3, bytes: 17 });
  });

  it('of zip is unpacked', async () => {
    await archive('zip', zipSync({ 'a.txt': strToU8('hello'), deep: { 'ü b.txt': strToU8('world') } }))();
    expect(below(tree)).toEqual(['a.txt', 'deep/ü b.txt']);
    expect(readFileSync(join(tree, 'deep/ü b.txt'), 'utf8')).toBe('world');
    expect(statSync(join(tree, 'a.txt')).mode & 0o777).toBe(0o640);
  });

  it.each(['../out', '/etc/out', 'a/../../out', 'a//b', 'a/./b/..', 'a\0b'])(
    'leads nowhere by the name %j',
    async (name) => {
      const tar = name.includes('\0') ? undefined : archive('tar', tarOf({ path: name, content: 'x' }));
      const zip = archive('zip', zipSync({ [name]: strToU8('x') }));
      for (const unpack of [zip, ...(tar === undefined ? [] : [tar])])
        await expect(unpack()).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' });
      expect(below(tree)).toEqual([]);
      expect(below(dir).filter((file) => !file.startsWith('archive'))).toEqual([]);
    },
  );

  it.each(['SymbolicLink', 'Link', 'CharacterDevice', 'BlockDevice', 'FIFO'])('with a %s is refused', async (type) => {
    const unpack = archive(
      'tar',
      tarOf({ path: 'a', type, linkpath: type.endsWith('Link') ? '/etc' : '' }, { path: 'a/passwd', content: 'x' }),
    );
    await expect(unpack()).rejects.toMatchObject({
      code: 'ARCHIVE_REFUSED',
      message: expect.stringMatching(/a link, a device or a sparse file/),
    });
    expect(readdirSync(tree)).toEqual([]);
  });

  it.each(['gnu', 'posix'])(
    'with a sparse file in the format %s is refused, not unpacked without it',
    async (format) => {
      const sparse = join(dir, 'disk.img');
      writeFileSync(join(dir, 'small.txt'), 'small');
      const fd = openSync(sparse, 'w');
      ftruncateSync(fd, 8_000_000);
      closeSync(fd);
      execFileSync('tar', [
        '-czSf',
        join(dir, 'archive.tar'),
        `--format=${format}`,
        '-C',
        dir,
        'small.txt',
        'disk.img',
      ]);
      await expect(unpackTar(join(dir, 'archive.tar'), into())).rejects.toMatchObject({
        code: 'ARCHIVE_REFUSED',
        message: expect.stringMatching(/sparse file/),
      });
    },
  );

  it('that is refused is not held open', async () => {
    const open = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`);
        } catch {
          return [];
        }
      });
    const zip = archive('zip', zipSync({ 'a//b': strToU8('x'.repeat(10_000)) }));
    await expect(zip()).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' });
    closeAll();
    await until('closed', () => !open().some((file) => file.startsWith(dir)), open);
  });

  it('of zip with a symlink is refused', async () => {
    symlinkSync('/etc', join(dir, 'link'));
    const attributes = (0o120777 << 16) >>> 0;
    const unpack = archive('zip', zipSync({ link: [strToU8('/etc'), { os: 3, attrs: attributes }] }));
    await expect(unpack()).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' });
  });

  it('is refused when it holds a name twice, or as a file and a folder', async () => {
    for (const second of ['a', 'a/b'])
      await expect(archive('tar', tarOf({ path: 'a', content: '1' }, { path: second, content: '2' }))())
        .rejects.toMatchObject({ code: 'ARCHIVE_REFUSED', message: expect.stringMatching(/twice/) })
        .finally(() => rmSync(join(tree, 'a')));
  });

  it('that is a bomb is stopped in time', async () => {
    const zeros = new Uint8Array(20_000_000);
    for (const unpack of [
      archive('zip', zipSync({ bomb: zeros })),
      archive('tar', tarOf({ path: 'bomb', content: randomBytes(2_500_000).toString('hex') })),
    ]) {
      await expect(unpack()).rejects.toMatchObject({
        code: 'ARCHIVE_REFUSED',
        message: expect.stringMatching(/1000000 bytes/),
      });
      expect(statSync(join(tree, 'bomb')).size).toBeLessThanOrEqual(1_000_000);
      rmSync(join(tree, 'bomb'));
    }
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}`, strToU8('')]));
    await expect(archive('zip', zipSync(many))()).rejects.toMatchObject({
      message: expect.stringMatching(/more than 100 files/),
    });
  });

  it('that is cut off, or is none, is refused', async () => {
    const tar = tarOf({ path: 'a', content: 'x'.repeat(10_000) });
    const zip = zipSync({ a: strToU8('x'.repeat(10_000)) });
    for (const unpack of [
      archive('tar', tar.subarray(0, tar.length - 20)),
      archive('tar', gunzipSync(tar).subarray(0, 5_000)),
      archive('tar', Buffer.from('no archive at all')),
      archive('zip', zip.subarray(0, zip.length - 10)),
      archive('zip', Buffer.from('no archive at all')),
    ]) {
      await expect(unpack()).rejects.toMatchObject({
        code: 'ARCHIVE_REFUSED',
        message: expect.stringMatching(/pack it anew$/),
      });
      rmSync(tree, { recursive: true });
      mkdirSync(tree);
    }
  });

  it('with one flipped bit gives what it holds, or is refused; it never hangs nor leads out', async () => {
    const content = { 'a.txt': strToU8('hello '.repeat(50)), 'b/c.txt': strToU8('world '.repeat(50)) };
    const zip = zipSync(content);
    const tar = gunzipSync(tarOf({ path: 'a.txt', content: 'hello' }, { path: 'b/c.txt', content: 'world' }));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('zip' as const, 'tar' as const),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        async (kind, at, bit) => {
          const bytes = Buffer.from(kind === 'zip' ? zip : tar);
          bytes[at % bytes.length]! ^= 1 << bit;
          await archive(kind, bytes)().catch((error: { code?: string }) => expect(error.code).toBe('ARCHIVE_REFUSED'));
          closeAll();
          expect(readdirSync(dir).filter((name) => !/^(tree|archive\.(zip|tar))$/.test(name))).toEqual([]);
          rmSync(tree, { recursive: true });
          mkdirSync(tree);
        },
      ),
      { numRuns: 300 },
    );
  });
});
