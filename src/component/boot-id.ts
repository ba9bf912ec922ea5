import { readFileSync } from 'node:fs';

/** Tells this run of the device from those before: what they wrote last may not be on the disk. */
export const readBootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
