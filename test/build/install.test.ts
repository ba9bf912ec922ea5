import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findProgram } from '../engines/find-program';

const ROOT = resolve(__dirname, '../..');
const DATABASE = `better_sqlite3-${process.versions.modules}.node`;
const MAJOR = process.versions.node.split('.')[0]!;

/** install.sh in a package of real native parts, with nothing but Node.js and what every Linux has on the PATH. */
describe('install', () => {
  let dir: string;
  let shipped: string;
  let bin: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'install-'));
    shipped = join(dir, 'package');
    bin = join(dir, 'bin');
    for (const folder of [shipped, bin]) mkdirSync(folder);
    for (const name of ['dirname', 'basename', 'sort', 'head', 'uname'])
      symlinkSync(findProgram(name)!, join(bin, name));
    symlinkSync(process.execPath, join(bin, 'node'));
    copyFileSync(join(ROOT, 'artifacts/install.sh'), join(shipped, 'install.sh'));
    copyFileSync(join(ROOT, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node'), join(shipped, DATABASE));
    copyFileSync(
      join(ROOT, `node_modules/aws-crt/dist/bin/linux-${process.arch}-glibc/aws-crt-nodejs.node`),
      join(shipped, 'aws-crt-nodejs.node'),
    );
    writeFileSync(join(shipped, 'main.js'), 'if (process.argv[2] !== "--version") process.exit(1);');
    requireGlibc('2.17');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const requireGlibc = (glibc: string): void =>
    writeFileSync(join(shipped, 'requires.sh'), `has_node="${MAJOR} 99"\nneeds_glibc=${glibc}\n`);

  /** A Node.js of our making: what it is told first, it runs first. */
  const fakeNode = (script: string): void => {
    rmSync(join(bin, 'node'));
    writeFileSync(join(bin, 'node'), `#!/bin/sh\n${script}`);
    chmodSync(join(bin, 'node'), 0o755);
  };
  const preload = (script: string): void => {
    writeFileSync(join(dir, 'preload.js'), script);
    fakeNode(`exec '${process.execPath}' --require '${dir}/preload.js' "$@"`);
  };

  function install(): { status: number | null; said: string[] } {
    const { status, stdout, stderr } = spawnSync('/bin/sh', [join(shipped, 'install.sh')], {
      cwd: '/',
      encoding: 'utf8',
      env: { PATH: bin },
    });
    expect(stdout).toBe('');
    return { status, said: stderr.trimEnd().split('\n') };
  }

  const expectRefusal = (sentence: RegExp): void => {
    const { status, said } = install();
    expect({ status, said: said.at(-1) }).toEqual({ status: 1, said: expect.stringMatching(sentence) });
    expect(said.at(-1)).toMatch(/^thing-courier: .*; (?:install|deploy|use) .*/); // ends with the next step
  };

  it('is content with a device that can run it', () => {
    expect(install()).toEqual({ status: 0, said: [''] });
  });

  it('is content with a folder that has a space in its name', () => {
    const spaced = join(dir, 'a package');
    spawnSync('mv', [shipped, spaced]);
    shipped = spaced;
    expect(install()).toEqual({ status: 0, said: [''] });
  });

  it('misses node', () => {
    rmSync(join(bin, 'node'));
    expectRefusal(new RegExp(`Node.js is not on the PATH \\(${bin}\\); install Node.js 20.19 or newer .*${MAJOR} 99`));
  });

  it('finds that node does not start', () => {
    fakeNode('echo "node: wrong machine" >&2; exit 126');
    expectRefusal(/bin\/node does not start; its message is above; install Node.js for this machine \(\w+\)/);
  });

  it.each(['18.20.8', '20.18.1', '8.0.0'])('finds Node.js %s too old', (version) => {
    preload(`Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`);
    expectRefusal(new RegExp(`Node.js ${version} is too old; install 20.19 or newer`));
  });

  it('finds a Node.js that this package has no part for', () => {
    rmSync(join(shipped, DATABASE));
    expectRefusal(
      new RegExp(`no better-sqlite3 for Node.js ${process.versions.node}, only for ${MAJOR} 99; install one`),
    );
  });

  it.each([
    ['2.40', '2.9', false],
    ['2.34', '2.34', true],
    ['2.34', '2.33', false],
    ['2.9', '2.34', true],
    ['2.34', '3.0', true],
  ])('compares glibc by its numbers: needs %s, has %s', (needs, has, suffices) => {
    requireGlibc(needs);
    preload(`process.report.getReport = () => ({ header: { glibcVersionRuntime: '${has}' } });`);
    if (suffices) expect(install().status).toBe(0);
    else expectRefusal(new RegExp(`need glibc ${needs}, here is ${has}; use a newer Linux`));
  });

  it("asks the machine's own glibc", () => {
    requireGlibc('9.99');
    expectRefusal(/need glibc 9\.99, here is 2\.\d+; use a newer Linux/);
  });

  it('says that it is musl', () => {
    preload('process.report.getReport = () => ({ header: {} });');
    expectRefusal(/runs without glibc \(musl, as on Alpine Linux\), .*; use a Linux with glibc/);
  });

  it('finds the database part damaged, and tells the reason', () => {
    truncateSync(join(shipped, DATABASE), 4_096);
    expectRefusal(new RegExp(`${DATABASE} does not load with Node.js .*; deploy the package again`));
    expect(install().said.length).toBeGreaterThan(1);
  });

  it('warns of a part for another machine that only MQTT needs', () => {
    const other = process.arch === 'x64' ? 'arm64' : 'x64';
    copyFileSync(
      join(ROOT, `node_modules/aws-crt/dist/bin/linux-${other}-glibc/aws-crt-nodejs.node`),
      join(shipped, 'aws-crt-nodejs.node'),
    );
    const { status, said } = install();
    expect({ status, said: said.at(-1) }).toEqual({
      status: 0,
      said: expect.stringMatching(/aws-crt-nodejs.node does not load .* MQTT without Greengrass will not work/),
    });
  });

  it.each(['aws-crt-nodejs.node', 'requires.sh'])('misses %s', (part) => {
    rmSync(join(shipped, part));
    expectRefusal(new RegExp(`not complete, .*/${part} is missing; deploy it again`));
  });

  it('finds that the daemon does not start', () => {
    writeFileSync(join(shipped, 'main.js'), 'throw new Error("half a file")');
    expectRefusal(/main.js does not start with Node.js .*; deploy the package again/);
    expect(install().said.join('\n')).toContain('half a file');
  });

  it('changes nothing', () => {
    const look = () => spawnSync('find', [dir, '-printf', '%p %T@ %s\n'], { encoding: 'utf8' }).stdout;
    const before = look();
    install();
    expect(look()).toBe(before);
  });
});
