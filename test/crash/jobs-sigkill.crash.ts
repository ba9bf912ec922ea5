import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JobsKillRun } from './jobs-kill-run';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
const KILLS = full ? 220 : 10;
const HOUR_MS = 3_600_000;

describe('while jobs come, SIGKILL of the bundle at random moments', () => {
  test(
    'nothing is lost or altered, every job ends as it should',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'sigkill-'));
      const run = await JobsKillRun.create(dir, seed);
      try {
        while (run.kills < KILLS) await run.killOnce();
        await run.finish();
        process.stdout.write(`sigkill, jobs: ${run.summary} (seed ${seed})\n`);
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
