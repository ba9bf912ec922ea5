import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KillMode, KillRun } from './kill-run';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
/** Of each way of taking files. */
const KILLS = full ? 260 : 13;
const HOUR_MS = 3_600_000;

describe('SIGKILL of the bundle at random moments', () => {
  test.each<KillMode>(['in place', 'claimed'])(
    'files taken %s: nothing is lost, nothing altered, little sent twice',
    async (mode) => {
      const dir = mkdtempSync(join(tmpdir(), 'sigkill-'));
      const run = await KillRun.create(dir, seed, mode);
      try {
        while (run.kills < KILLS) await run.killOnce();
        await run.finish();
        process.stdout.write(`sigkill, ${mode}: ${run.summary} (seed ${seed})\n`);
        if (run.problems.length > 0)
          throw new Error(`seed ${seed}\n${run.problems.slice(0, 50).join('\n')}\n${run.output.slice(-6_000)}`);
      } finally {
        await run.end();
        rmSync(dir, { recursive: true, force: true });
      }
    },
    HOUR_MS,
  );
});
