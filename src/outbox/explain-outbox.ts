import { printableName } from '../domain/printable-name';
import { shellQuoted } from '../domain/shell-quoted';
import type { Refusal } from './claimer';

/** Why something, a folder mostly, could not be looked at, and what to do. @param relative empty for the outbox itself */
export function explainFolder(outbox: string, relative: Buffer, { code }: NodeJS.ErrnoException): string {
  const folder = relative.length === 0 ? outbox : `${outbox}/${printableName(relative)}`;
  switch (code) {
    case 'ENOENT':
      return `the outbox ${folder} does not exist; create it: mkdir -p ${shellQuoted(folder)} && chown ${process.geteuid?.()} ${shellQuoted(folder)}`;
    case 'ENOTDIR':
      return `the outbox ${folder} is not a folder; correct outboxes[].path`;
    case 'EACCES':
    case 'EPERM':
      return `the folder ${folder} cannot be read; let the daemon's user in: setfacl -m u:${process.geteuid?.()}:rwx ${shellQuoted(folder)}`;
    default:
      return `${folder} cannot be read (${code}); check the disk it lies on`;
  }
}

/**
 * Why files are not moved out of an outbox, and what to do.
 * @param isWritable by the daemon's user
 */
export function explainUnmoved(outbox: string, isWritable: boolean): string {
  const why = `files of ${outbox} are sent from where they lie, and not removed`;
  return isWritable
    ? `${why}: no folder beside it or in it takes them by rename; put the outbox on one disk with the state folder, or say claim: leave`
    : `${why}: the daemon's user may not write there; let it: setfacl -m u:${process.geteuid?.()}:rwx ${shellQuoted(outbox)}, and start it again`;
}

/** Why a settled file stays where it is, or in its batch without a row, and what to do. */
export function explainRefusal(outbox: string, path: Buffer, { step, code }: Exclude<Refusal, 'held'>): string {
  const file = `${outbox}/${printableName(path)}`;
  if (step === 'sync')
    return `the file ${file} was claimed, but its disk did not confirm it (${code}); check the disk; it is tried again`;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return `the file ${file} cannot be claimed (${code}), and stays where it is; free some space on its disk, it is tried again`;
  if (step === 'move')
    return `the file ${file} cannot be claimed (${code}), and stays where it is; check the disk it lies on, it is tried again`;
  return code === 'EACCES' || code === 'EPERM'
    ? `the file ${file} cannot be read, and stays where it is; let the daemon's user read it: setfacl -m u:${process.geteuid?.()}:r ${shellQuoted(file)}`
    : `the file ${file} cannot be read (${code}), and stays where it is; check the disk it lies on`;
}
