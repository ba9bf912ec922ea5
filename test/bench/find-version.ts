import { spawnSync } from 'node:child_process';

/** First line of what a program says of itself, undefined when it is not installed. */
export function findVersion(program: string, argument: string): string | undefined {
  const { status, stdout, stderr } = spawnSync(program, [argument], { encoding: 'utf8', timeout: 30_000 });
  return status === 0 ? `${stdout}${stderr}`.trim().split('\n')[0] : undefined;
}
