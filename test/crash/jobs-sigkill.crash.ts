import { JobsKillRun } from './jobs-kill-run';
import { killRepeatedly } from './kill-repeatedly';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
const KILLS = full ? 220 : 8;
const HOUR_MS = 3_600_000;

describe('while jobs come, SIGKILL of the bundle at random moments', () => {
  test(
    'nothing is lost or altered, every job ends as it should',
    () => killRepeatedly('sigkill, jobs', seed, KILLS, (dir) => JobsKillRun.create(dir, seed)),
    HOUR_MS,
  );
});
