import { TransferError } from '../domain/errors';
import { shellQuoted } from '../domain/shell-quoted';

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
const RIGHTS: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS']);

/** What the disk refused, as a TransferError; anything that is none of the system's is left as it is. */
export function asDiskError(error: unknown, file: Buffer | string): unknown {
  if (error instanceof TransferError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  if (FULL.has(code))
    return new TransferError('NO_ROOM', `the disk is full (${code}); free some space`, { cause: error });
  const folder = String(file).replace(/\/[^/]*$/, '');
  if (RIGHTS.has(code))
    return new TransferError(
      'DISK_FAILED',
      `the folder ${folder} cannot be written (${code}); let the daemon's user in: setfacl -m u:${process.geteuid?.()}:rwx ${shellQuoted(folder)}`,
      { cause: error },
    );
  return new TransferError('DISK_FAILED', `the disk refuses (${message}); look into the system's log`, {
    cause: error,
  });
}
