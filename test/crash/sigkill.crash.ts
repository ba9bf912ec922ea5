import { killRepeatedly } from './kill-repeatedly';
import { type KillMode, KillRun } from './kill-run';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
/** Of each way of taking files. */
const KILLS = full ? 260 : 13;
const HOUR_MS = 3_600_000;

describe('SIGKILL of the bundle at random moments', () => {
  test.each<KillMode>(['in place', 'claimed'])(
    'files taken %s: nothing is lost, nothing altered, little sent twice',
    (mode) => killRepeatedly(`sigkill, ${mode}`, seed, KILLS, (dir) => KillRun.create(dir, seed, mode)),
    HOUR_MS,
  );
});
