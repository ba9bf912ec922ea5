import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Starts another bundle beside this file, in the foreground, and ends with its exit code. */
export function startBeside(file: string, args: readonly string[], nodeFlags: readonly string[] = []): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeFlags, join(__dirname, file), ...args], { stdio: 'inherit' });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 1)));
  });
}
