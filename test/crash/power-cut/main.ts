// unshare <namespace> node --import tsx test/crash/power-cut/main.ts <dir> <seed> <rounds> <moments of each> <seconds of each> <of the last>
//
// Prints a line for each moment, and in the end one of JSON. It is the first process of its namespace: when it ends,
// with its standard input or by any signal, the kernel ends all it has started and takes the mounts away.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PowerCutRun } from './power-cut-run';

async function main(): Promise<void> {
  const [dir = '', seed = '', rounds = '', moments = '', seconds = '', lastSeconds = ''] = process.argv.slice(2);
  process.stdin.resume().once('close', () => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const run = new PowerCutRun(Number(moments));
  for (let round = 0; round < Number(rounds); round++) {
    const folder = join(dir, String(round));
    mkdirSync(folder);
    const isLast = round === Number(rounds) - 1;
    const roundMs = Number(isLast ? lastSeconds : seconds) * 1000;
    await run.round(folder, Number(seed) + round, round % 2 === 0 ? 'bursts' : 'trickle', roundMs);
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(`${JSON.stringify(run.result)}\n`);
  process.exit(0);
}

void main();
