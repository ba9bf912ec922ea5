import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findProgram } from '../../engines/find-program';

const PROGRAMS = ['unshare', 'mkfs.ext4', 'mount', 'umount', 'sync'];
/** A namespace of its own: whatever ends the run, its processes, mounts and loop devices end with it. */
export const NAMESPACE = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child'] as const;

/**
 * What this machine lacks for cutting the power of a disk image: then the suite is skipped. Nothing is tried beyond
 * that: where all of this is there, a mount that fails is a failure.
 * @returns undefined when it can be done
 */
export function findMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'root';
  const program = PROGRAMS.find((name) => findProgram(name) === undefined);
  if (program !== undefined) return program;
  if (!existsSync('/dev/loop-control')) return 'loop devices';
  try {
    execFileSync('unshare', [...NAMESPACE, 'true'], { stdio: 'ignore', timeout: 10_000 });
    return undefined;
  } catch {
    return 'the right to mount';
  }
}
