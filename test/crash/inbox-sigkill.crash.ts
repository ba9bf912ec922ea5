import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OnExisting } from '../../src/download/landing';
import { InboxKillRun } from './inbox-kill-run';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
/** Of each way of landing. */
const KILLS = full ? 220 : 8;
const HOUR_MS = 3_600_000;

describe('on the way down, SIGKILL of the bundle at random moments', () => {
  test.each<OnExisting>(['overwrite', 'rename'])(
    '%s: nothing is lost, altered, doubled, or deleted from the inbox too early',
    async (onExisting) => {
      const dir = mkdtempSync(join(tmpdir(), 'sigkill-'));
      const run = await InboxKillRun.create(dir, seed, onExisting);
      try {
        while (run.kills < KILLS) await run.killOnce();
        await run.finish();
        process.stdout.write(`sigkill down, ${onExisting}: ${run.summary} (seed ${seed})\n`);
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
