import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/**
 * For whoever asks meanwhile the device has been booted anew: what was written before need not be on the disk. Within
 * the mount namespace of the run.
 * @param file to be made, and covered the kernel's with
 */
export async function inOtherBoot<T>(file: string, work: () => Promise<T>): Promise<T> {
  writeFileSync(file, `${randomUUID()}\n`);
  execFileSync('mount', ['--bind', file, BOOT_ID]);
  try {
    return await work();
  } finally {
    execFileSync('umount', [BOOT_ID]);
  }
}
