import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Small heaps: the device's memory is not ours. */
const NODE_FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=128'];

/** Starts the daemon beside this file, in the foreground, and ends with its exit code. */
export function run(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...NODE_FLAGS, join(__dirname, 'main.js'), ...args], { stdio: 'inherit' });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 1)));
  });
}
