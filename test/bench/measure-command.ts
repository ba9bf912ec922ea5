import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Measured } from './competitor';

/** wait4 is the one call that gives the memory and the CPU of a child, and Node has none. The clock is CLOCK_MONOTONIC. */
const WAIT4 = `
import json, os, sys, time
started = time.monotonic_ns()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 3)])
_, status, usage = os.wait4(pid, 0)
ended = time.monotonic_ns()
os.write(3, json.dumps({"startedAtNs": str(started), "wallMs": (ended - started) / 1e6,
  "cpuMs": (usage.ru_utime + usage.ru_stime) * 1e3, "peakRssKib": usage.ru_maxrss,
  "exitCode": os.waitstatus_to_exitcode(status)}).encode())
`;

interface Accounts extends Omit<Measured, 'startedAtNs'> {
  readonly startedAtNs: string;
  readonly exitCode: number;
}

/** Runs a command to its end. @throws Error with the end of what it said when that was not success */
export async function measureCommand(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  timeoutMs = 300_000,
): Promise<Measured> {
  const child = spawn('python3', ['-c', WAIT4, ...command], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const exit = once(child, 'exit');
  const killGroup = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  process.once('exit', killGroup);
  const timeout = setTimeout(killGroup, timeoutMs);
  try {
    const [said, complained, accounts] = await Promise.all(
      child.stdio.slice(1).map((stream) => text(stream as Readable)),
    );
    await exit;
    if (accounts === undefined || accounts === '') {
      throw new Error(`${command[0]} did not end within ${timeoutMs / 1000} s: ${lastLines(`${said}${complained}`)}`);
    }
    const { exitCode, startedAtNs, ...measured } = JSON.parse(accounts) as Accounts;
    if (exitCode !== 0) throw new Error(`${command[0]} ended with ${exitCode}: ${lastLines(`${said}${complained}`)}`);
    return { ...measured, startedAtNs: BigInt(startedAtNs) };
  } finally {
    clearTimeout(timeout);
    process.off('exit', killGroup);
  }
}

const lastLines = (text: string): string => text.trim().split('\n').slice(-3).join(' / ').slice(-500);
