import { readFileSync } from 'node:fs';

const CAP_SYS_ADMIN = 21n;

/** What keeps a test that acts as other users from running here; undefined: it must run. */
export const missingForUsers = (): string | undefined => (process.getuid?.() === 0 ? undefined : 'needs root');

/** What keeps a test that mounts from running here; undefined: it must run. */
export function missingForMounts(fileSystem?: string): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const rights = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]}`);
  if (((rights >> CAP_SYS_ADMIN) & 1n) === 0n) return 'needs the right to mount';
  const known = readFileSync('/proc/filesystems', 'utf8').split(/\s+/);
  return fileSystem === undefined || known.includes(fileSystem) ? undefined : `this kernel has no ${fileSystem}`;
}

/** A test that runs wherever it can, and says a word where it cannot. */
export function itWhere(missing: string | undefined, name: string, test: () => Promise<void>): void {
  if (missing === undefined) it(name, test);
  else it.skip(`${name} (${missing})`, test);
}
