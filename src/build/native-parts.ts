import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeBinary } from './describe-binary';

export const PLATFORMS = ['linux-x64', 'linux-arm64'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** The majors of Node.js a package is made for, by what they call their ABI (`process.versions.modules`). */
export const NODE_MAJORS: Readonly<Record<string, number>> = { 115: 20, 127: 22, 137: 24 };

const MACHINES: Readonly<Record<Platform, string>> = { 'linux-x64': 'x64', 'linux-arm64': 'arm64' };
const COMPILED_HERE = 'node_modules/better-sqlite3/build/Release/better_sqlite3.node';

/** The native parts of one platform's package, and what there is not. */
export interface NativeParts {
  readonly platform: Platform;
  /** File name in the package → its content. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Majors of Node.js that the package runs on, ascending. None: there is no package. */
  readonly nodeMajors: readonly number[];
  /** The oldest glibc all of them load with, `2.34`. */
  readonly glibc: string;
  /** A sentence for each part that is missing, with how to get it. */
  readonly leftOut: readonly string[];
}

/**
 * better-sqlite3's binaries in `artifacts/native/`, or this machine's own; aws-crt's, which npm brings for every platform.
 * @param root the project's folder
 * @throws Error for a part that must not be handed on
 */
export function findNativeParts(root: string, platform: Platform): NativeParts {
  const runtime = join(root, 'node_modules/aws-crt/dist/bin', `${platform}-glibc`, 'aws-crt-nodejs.node');
  if (!existsSync(runtime)) throw new Error(`${runtime} is missing, which npm brings; npm ci, and build again`);
  const files = new Map<string, Buffer>([['aws-crt-nodejs.node', readFileSync(runtime)]]);
  const nodeMajors: number[] = [];
  const leftOut: string[] = [];
  for (const [abi, major] of Object.entries(NODE_MAJORS)) {
    const database = findDatabase(root, platform, abi);
    if (typeof database === 'string') {
      leftOut.push(`${platform}: ${database} for Node.js ${major}; npm run build:native -- ${platform}-${abi}`);
      continue;
    }
    nodeMajors.push(major);
    files.set(`better_sqlite3-${abi}.node`, database);
  }
  let glibc = '0';
  for (const [name, binary] of files) {
    const needs = describeBinary(binary);
    if (needs.machine !== MACHINES[platform])
      throw new Error(`${name} for ${platform} is for ${needs.machine}; npm run build:native makes the right one`);
    if (needs.glibc.localeCompare(glibc, 'en', { numeric: true }) > 0) glibc = needs.glibc;
  }
  return { platform, files, nodeMajors, glibc, leftOut };
}

/** @throws Error for a binary that would abort the daemon */
export function readDatabaseBinary(file: string): Buffer {
  const binary = readFileSync(file);
  if (binary.includes('RemoveEnvironmentCleanupHook'))
    throw new Error(`${file} would abort at a garbage collection (src/build/object-wrap.h); npm run postinstall`);
  return binary;
}

/** @returns the binary, or what keeps it out */
function findDatabase(root: string, platform: Platform, abi: string): Buffer | string {
  const folder = join(root, 'artifacts/native', `${platform}-${abi}`);
  const file = join(folder, 'better_sqlite3.node');
  if (existsSync(file)) {
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules/better-sqlite3/package.json'), 'utf8')) as {
      version: string;
    };
    // Of another version it would load, and its calls would not be those of our JavaScript.
    const made = existsSync(join(folder, 'version')) ? readFileSync(join(folder, 'version'), 'utf8').trim() : 'unknown';
    return made === version ? readDatabaseBinary(file) : `better_sqlite3 is of version ${made}, not ${version},`;
  }
  const isThisMachine = platform === `${process.platform}-${process.arch}` && abi === process.versions.modules;
  return isThisMachine ? readDatabaseBinary(join(root, COMPILED_HERE)) : 'no better_sqlite3';
}
