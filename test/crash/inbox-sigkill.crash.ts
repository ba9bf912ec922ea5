import type { OnExisting } from '../../src/download/landing';
import { InboxKillRun } from './inbox-kill-run';
import { killRepeatedly } from './kill-repeatedly';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
/** Of each way of landing. */
const KILLS = full ? 220 : 8;
const HOUR_MS = 3_600_000;

describe('on the way down, SIGKILL of the bundle at random moments', () => {
  test.each<OnExisting>(['overwrite', 'rename'])(
    '%s: nothing is lost, altered, doubled, or deleted from the inbox too early',
    (onExisting) =>
      killRepeatedly(`sigkill down, ${onExisting}`, seed, KILLS, (dir) => InboxKillRun.create(dir, seed, onExisting)),
    HOUR_MS,
  );
});
