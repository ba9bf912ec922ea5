import type { BigIntStats } from 'node:fs';
import { setImmediate as otherwise } from 'node:timers/promises';
import picomatch from 'picomatch';
import { walkFolder } from '../custody/walk-folder';
import { TransferError } from '../domain/errors';
import { printableName } from '../domain/printable-name';

export interface AskedFile {
  /** The one it was found below. */
  readonly root: string;
  /** Relative to it, as on disk. */
  readonly path: Buffer;
  readonly stats: BigIntStats;
}

const MAX_FILES = 10_000;
const MAX_STARS = 3;
const MAX_GLOBSTARS = 2;
const MAX_CHARACTERS = 1_000;
const GLOB = { dot: true, noextglob: true, nobrace: true } as const;
/** Others run between so many entries. */
const AT_A_TIME = 500;

/**
 * Why a job may not ask for that, or undefined. Nothing outside the roots is ever looked at; a path that can mean
 * nothing inside of them is told rather than ignored.
 */
export function findPathProblem(asked: string, roots: readonly string[]): string | undefined {
  const names = asked.split('/');
  const place = `its path ${JSON.stringify(asked.slice(0, 200))}`;
  // Matching takes time that grows with each star by the length of a name.
  const isCostly = names.some((name) => name !== '**' && name.split('*').length - 1 > MAX_STARS);
  if (isCostly || names.filter((name) => name.includes('**')).length > MAX_GLOBSTARS || asked.length > MAX_CHARACTERS)
    return `${place} has more than ${MAX_STARS} stars in a name, or ** more than twice, or more than ${MAX_CHARACTERS} characters; ask for more files by a simpler one`;
  if (names.includes('..')) return `${place} has .. in it; write where it leads`;
  if (!asked.startsWith('/')) return undefined; // below each root
  const { base, isGlob } = picomatch.scan(asked);
  const from = isGlob ? base : asked.replace(/\/+$/, '');
  const isNear = roots.some((root) => isWithin(from, root) || (isGlob && isWithin(root, from === '' ? '/' : from)));
  return isNear ? undefined : `${place} lies outside jobs.uploadRoots (${roots.join(', ')})`;
}

/** Symlinks are not followed; a path without a glob that is a folder means all that is in it. @throws TransferError SOURCE_MISSING */
export async function findAskedFiles(
  asked: readonly string[],
  roots: readonly string[],
  signal: AbortSignal,
): Promise<AskedFile[]> {
  const found: AskedFile[] = [];
  const seen = new Set<string>();
  let entries = 0;
  for (const root of roots) {
    const isAsked = asked.map((one) => matcher(one, root));
    for (const entry of walkFolder(root, { isIgnored: () => false })) {
      if (++entries % AT_A_TIME === 0) await otherwise();
      if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
      if (entry === undefined || !('stats' in entry)) continue;
      const { path, stats } = entry;
      const name = printableName(path);
      const full = `${root}/${name}`;
      if (seen.has(full) || !isAsked.some((one) => one(name))) continue;
      seen.add(full); // one root may lie in another
      if (found.length === MAX_FILES)
        throw new TransferError('SOURCE_MISSING', `more than ${MAX_FILES} files fit; ask for fewer at a time`);
      found.push({ root, path, stats });
    }
  }
  if (found.length === 0)
    throw new TransferError(
      'SOURCE_MISSING',
      `no file fits ${asked.join(', ')}; check the paths, and what the daemon's user may read`,
    );
  return found;
}

/** Of paths below the root. */
function matcher(asked: string, root: string): (path: string) => boolean {
  const isAbsolute = asked.startsWith('/');
  const plain = asked.replace(/\/+$/, '');
  const glob = picomatch(asked, GLOB);
  return (path) => {
    const name = isAbsolute ? `${root === '/' ? '' : root}/${path}` : path;
    return name === plain || name.startsWith(`${plain}/`) || glob(name);
  };
}

const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
