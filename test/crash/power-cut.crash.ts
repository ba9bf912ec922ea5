import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findMissing, NAMESPACE } from './power-cut/find-missing';
import type { PowerCutResult } from './power-cut/power-cut-run';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
/** The last round of the full run lasts longer than the kernel keeps anything from the disk. */
const [ROUNDS, MOMENTS, SECONDS, LAST_SECONDS] = full ? [6, 9, 12, 45] : [2, 3, 6, 6];
const HOUR_MS = 3_600_000;
const MAIN = resolve(__dirname, 'power-cut/main.ts');

const missing = findMissing();
if (missing !== undefined) process.stdout.write(`power cut: skipped, needs ${missing}\n`);

(missing === undefined ? describe : describe.skip)('power cut', () => {
  test(
    'what was synced, or claimed, arrives whole and in order',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'power-cut-'));
      try {
        const { moments, problems, summary, output } = await run(dir);
        process.stdout.write(`power cut: ${summary} (seed ${seed})\n`);
        if (problems.length > 0) throw new Error(`seed ${seed}\n${problems.slice(0, 50).join('\n')}\n${output}`);
        expect(moments).toBeGreaterThanOrEqual(full ? 50 : 5);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
    HOUR_MS,
  );
});

async function run(dir: string): Promise<PowerCutResult> {
  const args = ['--import', 'tsx', MAIN, dir, ...[seed, ROUNDS, MOMENTS, SECONDS, LAST_SECONDS].map(String)];
  const child = spawn('unshare', [...NAMESPACE, process.execPath, ...args], {
    cwd: resolve(__dirname, '../..'),
    stdio: ['pipe', 'pipe', 'inherit'], // it ends with its standard input: with us, however we end
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  if (code !== 0) throw new Error(`ended with ${code}\n${output}`);
  return JSON.parse(last) as PowerCutResult;
}
