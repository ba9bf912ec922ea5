import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JobsGigabyteRun } from './jobs-gigabyte-run';
import { settingsFromEnv } from './run-settings';
import { SeededRandom } from './seeded-random';

const { full, seed } = settingsFromEnv(process.env);
const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

describe('a job, killed during a large download by URLs that expire meanwhile', () => {
  test(
    'it completes, and little is fetched twice',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'gigabyte-'));
      const run = await JobsGigabyteRun.create(
        dir,
        new SeededRandom(seed),
        full
          ? { sizeBytes: 1024 * MIB, kills: 12, cuts: 5, urlSeconds: 10, bytesPerSecond: 24 * MIB }
          : { sizeBytes: 64 * MIB, kills: 3, cuts: 2, urlSeconds: 2, bytesPerSecond: 16 * MIB },
      );
      try {
        await run.run();
        process.stdout.write(`job, large: ${run.summary} (seed ${seed})\n`);
        if (run.problems.length > 0)
          throw new Error(`seed ${seed}\n${run.problems.join('\n')}\n${run.output.slice(-6_000)}`);
      } finally {
        await run.end();
        rmSync(dir, { recursive: true, force: true });
      }
    },
    HOUR_MS,
  );
});
