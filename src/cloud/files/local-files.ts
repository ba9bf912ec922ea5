import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import { localPathOf } from '../../domain/local-path';
import { shellQuoted } from '../../domain/shell-quoted';
import { CloudError } from '../cloud-error';

/** A file of the operator's, as it was when it was looked at. */
export interface LocalFile {
  readonly path: string;
  /** What it is to be called on the device. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly isExecutable: boolean;
  /** Differs when it is another file, or has other content. */
  readonly version: string;
}

/** @throws CloudError with all that is wrong with any of them, a line each */
export function findLocalFiles(paths: readonly string[]): LocalFile[] {
  const problems: string[] = [];
  const found: LocalFile[] = [];
  for (const path of paths) {
    const file = look(path);
    const twin = 'name' in file ? found.find(({ name }) => name === file.name) : undefined;
    if ('problem' in file) problems.push(file.problem);
    else if (twin !== undefined)
      problems.push(`${quoted(twin.path)} and ${quoted(path)} would both be ${quoted(file.name)}; rename the one`);
    else found.push(file);
  }
  if (problems.length > 0) throw new CloudError(problems.join('\n'));
  return found;
}

/** Two states of a file are told apart by it, also where its times were set back. */
export const versionOf = ({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string =>
  [dev, ino, size, mtimeMs, ctimeMs].join(':');

function look(path: string): LocalFile | { readonly problem: string } {
  const name = basename(path);
  const local = localPathOf(name);
  if ('refused' in local)
    return { problem: `${quoted(path)} cannot be a file on a device: ${local.refused}; name it so` };
  if (local.isMapped)
    return { problem: `${quoted(path)} would have another name on the device, ${quoted(local.path)}; rename it here` };
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR'
      ? { problem: `there is no file ${quoted(path)}; see ls` }
      : { problem: cannotRead(path, error) };
  }
  if (stats.isDirectory())
    return { problem: `${quoted(path)} is a folder; name its files, or pack it (tar -czf) and send that` };
  if (!stats.isFile()) return { problem: `${quoted(path)} is no plain file; copy what is in it to one` };
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    return { problem: cannotRead(path, error) };
  }
  return {
    path,
    name,
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    isExecutable: (stats.mode & constants.S_IXUSR) !== 0,
    version: versionOf(stats),
  };
}

export const cannotRead = (path: string, error: unknown): string =>
  `${quoted(path)} cannot be read (${(error as NodeJS.ErrnoException).code}); see its rights and its disk`;

/** A name may hold anything, also what moves a terminal's cursor. */
export const quoted = (text: string): string =>
  /^[\w./@:+,=~-]+$/.test(text) ? text : /\p{C}/u.test(text) ? JSON.stringify(text) : shellQuoted(text);
