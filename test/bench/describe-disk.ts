import { statfsSync } from 'node:fs';

const TMPFS = 0x01021994;

/** Where the ledger syncs to decides what durable costs. */
export function describeDisk(dir: string): string {
  const { type } = statfsSync(dir);
  return type === TMPFS
    ? `${dir} is a tmpfs: NOTHING IS DURABLE THERE, set TMPDIR to a folder on a disk`
    : `${dir} on a file system of type 0x${type.toString(16)}`;
}
