import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describeBinary } from '../../src/build/describe-binary';
import { findNativeParts, type Platform } from '../../src/build/native-parts';

const MACHINE = { x64: 0x3e, arm64: 0xb7 } as const;

/** As much of an ELF file as the build reads. */
function elf(machine: keyof typeof MACHINE, ...texts: string[]): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF', 'latin1');
  header.writeUInt16LE(MACHINE[machine], 18);
  return Buffer.concat([header, Buffer.from(['', ...texts, ''].join('\0'))]);
}

describe('what a binary asks for', () => {
  it.each([
    [elf('x64', 'GLIBC_2.2.5', 'GLIBC_2.34', 'GLIBC_2.4'), { machine: 'x64', glibc: '2.34' }],
    [elf('arm64', 'GLIBC_2.17', 'GLIBCXX_3.4.29', 'GLIBC_2.9'), { machine: 'arm64', glibc: '2.17' }],
    [elf('x64', 'see GLIBC_2.99 for more'), { machine: 'x64', glibc: '0' }],
  ])('is found in it (%#)', (binary, needs) => {
    expect(describeBinary(binary)).toEqual(needs);
  });

  it('is not guessed for what is no binary', () => {
    expect(() => describeBinary(Buffer.from('version https://git-lfs'))).toThrow('not an ELF file');
  });
});

describe('the native parts', () => {
  let root: string;
  const foreign: Platform = process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64';
  const machine = foreign === 'linux-x64' ? 'x64' : 'arm64';

  const put = (file: string, content: string | Buffer): void => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), content);
  };
  const putDatabase = (abi: number, binary: Buffer, version = '1.2.3'): void => {
    put(`artifacts/native/${foreign}-${abi}/better_sqlite3.node`, binary);
    put(`artifacts/native/${foreign}-${abi}/version`, `${version}\n`);
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'native-parts-'));
    put(`node_modules/aws-crt/dist/bin/${foreign}-glibc/aws-crt-nodejs.node`, elf(machine, 'GLIBC_2.17'));
    put('node_modules/better-sqlite3/package.json', '{"version":"1.2.3"}');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('are those at hand, and each that is not is told with the way to get it', () => {
    putDatabase(115, elf(machine, 'GLIBC_2.34'));
    putDatabase(137, elf(machine, 'GLIBC_2.9'));
    const parts = findNativeParts(root, foreign);
    expect([...parts.files.keys()]).toEqual([
      'aws-crt-nodejs.node',
      'better_sqlite3-115.node',
      'better_sqlite3-137.node',
    ]);
    expect(parts).toMatchObject({ nodeMajors: [20, 24], glibc: '2.34' });
    expect(parts.leftOut).toEqual([
      `${foreign}: no better_sqlite3 for Node.js 22; npm run build:native -- ${foreign}-127`,
    ]);
  });

  it('are not of another version of better-sqlite3 than our JavaScript', () => {
    putDatabase(115, elf(machine), '1.2.2');
    const { nodeMajors, leftOut } = findNativeParts(root, foreign);
    expect(nodeMajors).toEqual([]);
    expect(leftOut[0]).toContain('better_sqlite3 is of version 1.2.2, not 1.2.3, for Node.js 20; npm run build:native');
  });

  it('are not for another machine, nor such as abort', () => {
    putDatabase(115, elf(machine === 'x64' ? 'arm64' : 'x64'));
    expect(() => findNativeParts(root, foreign)).toThrow(/better_sqlite3-115.node for .* is for /);
    putDatabase(115, elf(machine, 'RemoveEnvironmentCleanupHook'));
    expect(() => findNativeParts(root, foreign)).toThrow('would abort at a garbage collection');
  });
});
