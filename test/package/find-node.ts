import { accessSync, chmodSync, constants, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNativeParts, NODE_MAJORS, type Platform } from '../../src/build/native-parts';
import { findProgram } from '../engines/find-program';
import { ROOT } from './built-component';

const HERE = `linux-${process.arch}`;
const EMULATOR = { 'linux-arm64': 'qemu-aarch64-static', 'linux-x64': 'qemu-x86_64-static' };
/** Where Debian's packages for cross-compilers put the other machine's C library. */
const LIBRARIES = { 'linux-arm64': '/usr/aarch64-linux-gnu', 'linux-x64': '/usr/x86_64-linux-gnu' };

/** A Node.js that a package can be tried with here, or why there is none. */
export interface Candidate {
  readonly platform: Platform;
  readonly abi: string;
  readonly title: string;
  /** What starts it, to stand before its arguments. */
  readonly command: readonly string[];
  readonly missing: string | undefined;
}

/** Every platform and major of Node.js that packages are made for. */
export function findCandidates(platform: Platform): Candidate[] {
  const { files } = findNativeParts(ROOT, platform);
  const isHere = platform === HERE;
  const emulator = isHere ? [] : [EMULATOR[platform], '-L', LIBRARIES[platform]];
  return Object.entries(NODE_MAJORS).map(([abi, major]) => {
    const isOwn = isHere && abi === process.versions.modules;
    const node = isOwn ? process.execPath : join(ROOT, 'artifacts/native', `${platform}-${abi}`, 'node');
    const build = `npm run build:native -- ${platform}-${abi}`;
    const reasons = [
      !files.has(`better_sqlite3-${abi}.node`) && `no better_sqlite3, ${build}`,
      !isExecutable(node) && `no Node.js ${major} for ${platform}, ${build}`,
      !isHere && findProgram(EMULATOR[platform]) === undefined && `${EMULATOR[platform]} is not installed`,
      !isHere && !existsSync(LIBRARIES[platform]) && `${LIBRARIES[platform]} with glibc is not installed`,
    ];
    const missing = reasons.find((reason) => typeof reason === 'string');
    return {
      platform,
      abi,
      title: `Node.js ${major} on ${platform}`,
      command: [...emulator, node],
      missing: missing === undefined ? undefined : `skipped: ${missing}`,
    };
  });
}

/** A PATH with this Node.js, and besides only what the package calls: its scripts, and `sync` before a file is sent. */
export function makePath(folder: string, { command }: Candidate): string {
  mkdirSync(folder);
  const quoted = command.map((word) => `'${word.startsWith('qemu-') ? findProgram(word)! : word}'`);
  writeFileSync(join(folder, 'node'), `#!/bin/sh\nexec ${quoted.join(' ')} "$@"\n`);
  chmodSync(join(folder, 'node'), 0o755);
  for (const name of ['dirname', 'basename', 'sort', 'head', 'uname', 'sync'])
    symlinkSync(findProgram(name)!, join(folder, name));
  return folder;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
