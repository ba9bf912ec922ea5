import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type ClaimCalls, DONE, directCalls, OTHER, statsAt } from '../../src/outbox/claim-calls';
import { ClaimThread } from '../../src/outbox/claim-thread';
import { type PackedPaths, PathPacker, pathAt } from '../../src/outbox/packed-paths';
import { until } from '../support/until';

const BUNDLE = resolve(__dirname, '../../dist/claim-thread.js');
/** Enough for a thread. */
const MANY = 400;
const { EEXIST, EISDIR, ENOENT, ENOTDIR, ELOOP } = constants.errno;

const threads = (): number => readdirSync('/proc/self/task').length;

describe('the calls of a claim', () => {
  let before: number;
  beforeAll(async () => {
    await Promise.all(Array.from({ length: 16 }, () => stat('/'))); // the pool's own come with their first work
    before = threads();
  });
  let dir: string;
  let folder: Buffer;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'calls-'));
    folder = Buffer.from(`${dir}/`);
    mkdirSync(join(dir, 'to'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  const pack = (names: readonly string[], below = ''): PackedPaths => {
    const packer = new PathPacker();
    for (const name of names) packer.add(Buffer.concat([folder, Buffer.from(below)]), Buffer.from(name), 0);
    return packer.pack();
  };
  const make = (count: number): string[] => {
    const names = Array.from({ length: count }, (_, i) => `f${i}`);
    for (const name of names) writeFileSync(join(dir, name), name);
    return names;
  };

  describe.each([
    ['in this thread', () => directCalls, 3],
    ['in a thread, of few files', () => new ClaimThread(BUNDLE, 10), 3],
    ['in a thread of their own', () => new ClaimThread(BUNDLE, 10), MANY],
  ] as const)('%s', (_, open, count) => {
    let calls: ClaimCalls;
    beforeEach(() => {
      calls = open();
    });

    it('try each file, and say of each what it is', async () => {
      const names = make(count);
      mkdirSync(join(dir, 'folder'));
      symlinkSync('f0', join(dir, 'link'));
      execFileSync('mkfifo', [join(dir, 'fifo')]);
      const outcomes = await calls.tryToRead(pack([...names, 'none', 'folder', 'link', 'fifo', 'f0/below']));
      expect([...outcomes.subarray(0, count)]).toEqual(names.map(() => DONE));
      expect([...outcomes.subarray(count)]).toEqual([-ENOENT, OTHER, -ELOOP, OTHER, -ENOTDIR]);
    });

    it('move each file, and look at it where it lies then', async () => {
      const names = make(count);
      mkdirSync(join(dir, 'folder'));
      mkdirSync(join(dir, 'to/full'));
      writeFileSync(join(dir, 'to/full/file'), '');
      const from = pack([...names, 'none', 'folder', 'f0']);
      const to = pack([...names, 'none', 'folder', 'full'], 'to/');
      const moved = await calls.move(from, to);
      expect([...moved.outcomes.subarray(0, count)]).toEqual(names.map(() => DONE));
      expect([...moved.outcomes.subarray(count)]).toEqual([-ENOENT, OTHER, -ENOENT]);
      for (const [at, name] of names.entries()) {
        const { dev, ino, size, mtimeNs, ctimeNs } = lstatSync(join(dir, 'to', name), { bigint: true });
        expect(statsAt(moved, at)).toEqual({ dev, ino, size, mtimeNs, ctimeNs });
        expect(readFileSync(join(dir, 'to', name), 'utf8')).toBe(name);
      }
      expect(names.filter((name) => existsSync(join(dir, name)))).toEqual([]);
    });

    it('tell what the system would not do', async () => {
      const names = make(count);
      mkdirSync(join(dir, 'to/f0'));
      const moved = await calls.move(pack(names), pack(names, 'to/'));
      expect([-EISDIR, -EEXIST]).toContain(moved.outcomes[0]);
      expect(readdirSync(dir)).toEqual(['f0', 'to']);
    });

    it('make durable, or throw', async () => {
      const names = make(count);
      await calls.move(pack(names), pack(names, 'to/'));
      await calls.sync(dir);
      await expect(calls.sync(join(dir, 'none'))).rejects.toThrow('none');
    });
  });

  it('are of nothing at all', async () => {
    const moved = await directCalls.move(pack([]), pack([]));
    expect(moved.outcomes).toHaveLength(0);
  });

  it('are packed with names of any bytes and length', () => {
    const packer = new PathPacker();
    const names = [Buffer.from([0xff, 0x80]), Buffer.alloc(9_000, 'x'), Buffer.from('day/ü')];
    for (const name of names) packer.add(folder, name, 0);
    packer.add(folder, names[2]!, 4);
    const packed = packer.pack();
    for (const [at, name] of names.entries())
      expect(pathAt(packed, at).equals(Buffer.concat([folder, name]))).toBe(true);
    expect(pathAt(packed, 3).toString()).toBe(`${dir}/ü`);
  });

  describe('a thread', () => {
    it('comes with many files, serves all that ask meanwhile, goes, and comes again', async () => {
      const calls = new ClaimThread(BUNDLE, 200);
      const names = make(MANY);
      await until('those of the tests before are over', () => threads() === before);
      expect((await calls.tryToRead(pack(names.slice(0, 9)))).every((outcome) => outcome === DONE)).toBe(true);
      expect(threads()).toBe(before);
      const [tried, moved] = await Promise.all([
        calls.tryToRead(pack(names)),
        calls.move(pack(names), pack(names, 'to/')),
        calls.sync(dir),
      ]);
      expect([tried.length, moved.outcomes.length, threads()]).toEqual([MANY, MANY, before + 1]);
      await until('it is over', () => threads() === before);
      expect(await calls.tryToRead(pack(names, 'to/'))).toHaveLength(MANY);
      expect(threads()).toBe(before + 1);
      await until('it is over', () => threads() === before);
    });

    it('keeps nothing of what it was asked and has answered', async () => {
      const file = join(dir, 'watched.js');
      const kept = join(dir, 'kept');
      writeFileSync(
        file,
        `const { parentPort } = require('worker_threads');
        const arrays = (said) =>
          ArrayBuffer.isView(said) ? [said] : Object(said) === said ? Object.values(said).flatMap(arrays) : [];
        const post = parentPort.postMessage.bind(parentPort);
        let held = [];
        parentPort.on('message', (asked) => { held = arrays(asked); });
        parentPort.postMessage = (said, transfer) => {
          held.push(...arrays(said));
          post(said, transfer);
          require('fs').appendFileSync(${JSON.stringify(kept)}, held.map((one) => one.byteLength).join(' ') + '\\n');
        };
        require(${JSON.stringify(BUNDLE)});`,
      );
      const names = make(MANY);
      const calls = new ClaimThread(file, 10);
      await calls.tryToRead(pack(names));
      await calls.move(pack(names), pack(names, 'to/'));
      await until('both are answered', () => readFileSync(kept, 'utf8') === '0 0 0\n0 0 0 0 0 0\n');
    });

    it('that dies fails what it was asked, and the next asks another', async () => {
      const file = join(dir, 'dies.js');
      const flag = join(dir, 'flag');
      writeFileSync(
        file,
        `const fs = require('fs');
        if (fs.existsSync(${JSON.stringify(flag)})) require(${JSON.stringify(BUNDLE)});
        else { fs.writeFileSync(${JSON.stringify(flag)}, ''); throw new Error('no memory'); }`,
      );
      const names = make(MANY);
      const calls = new ClaimThread(file, 10);
      const both = [calls.tryToRead(pack(names)), calls.tryToRead(pack(names))];
      for (const one of await Promise.allSettled(both))
        expect(one).toMatchObject({ status: 'rejected', reason: { message: 'no memory' } });
      expect(await calls.tryToRead(pack(names))).toHaveLength(MANY);
    });
  });
});
