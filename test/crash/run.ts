// npm run test:crash -- [--full] [--seed N] [--output FILE]
//
// Without --full reduced counts, as CI runs it. A failing run is repeated by its seed. FILE gets jest's own
// results as JSON.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { settingsToEnv } from './run-settings';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      full: { type: 'boolean', default: false },
      output: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed ${values.seed}: a whole number is expected`);
  process.stdout.write(`crash suites, ${values.full ? 'full' : 'reduced counts'}, --seed ${seed}\n`);
  const results = values.output === undefined ? [] : ['--json', '--outputFile', values.output];
  const jest = spawn(process.execPath, [require.resolve('jest/bin/jest'), '--runInBand', ...results], {
    cwd: resolve(__dirname, '../..'),
    env: { ...process.env, SUITE: 'crash', ...settingsToEnv({ full: values.full, seed }) },
    stdio: 'inherit',
  });
  const [code] = (await once(jest, 'exit')) as [number | null];
  if (code !== 0) process.stdout.write(`failed; again with: npm run test:crash -- --seed ${seed}\n`);
  process.exitCode = code ?? 1;
}

void main();
