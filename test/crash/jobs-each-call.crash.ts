import type { CrashAt } from './crash-point';
import type { JobKind } from './job-sender';
import { runJobWithCrashes } from './jobs-crash-run';
import { killAtEachCall } from './kill-at-each-call';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
/** Without --full every twenty-fourth call, beginning at another one with each seed. */
const STRIDE = full ? 1 : 24;
const HOUR_MS = 3_600_000;

interface Scenario {
  readonly name: string;
  readonly kind: JobKind;
  /** By force, while the device is dead. */
  readonly isCancelled?: boolean;
  /** An earlier life that ended here; the calls of the next are gone through. */
  readonly prelude?: CrashAt;
  /** Most of its calls are alike: so many times fewer of them are gone through. */
  readonly alike?: number;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'a file', kind: 'file' },
  { name: 'a file, in the middle of its body', kind: 'large' },
  { name: 'a file by its key', kind: 'key' },
  { name: 'several files', kind: 'set' },
  { name: 'an archive, tar.gz', kind: 'tar.gz' },
  { name: 'an archive, zip', kind: 'zip' },
  { name: 'files asked for', kind: 'upload' },
  {
    name: 'several files, after a kill in the middle of landing',
    kind: 'set',
    prelude: { name: 'rename', n: 2, when: 'before' },
  },
  {
    name: 'an archive, after a kill in the middle of landing',
    kind: 'zip',
    prelude: { name: 'rename', n: 1, when: 'after' },
  },
  {
    name: 'an archive, after a kill when it is staged',
    kind: 'zip',
    prelude: { name: 'commit step', n: 1, when: 'after' },
  },
  { name: 'several files, cancelled', kind: 'set', isCancelled: true },
  { name: 'an archive, cancelled', kind: 'zip', isCancelled: true },
  { name: 'files asked for, cancelled', kind: 'upload', isCancelled: true },
  {
    name: 'several files, cancelled after a kill in the middle of landing',
    kind: 'set',
    isCancelled: true,
    prelude: { name: 'rename', n: 2, when: 'before' },
  },
  { name: 'an archive of many files', kind: 'many', alike: 3 },
];

describe('a job, killed before and after every call that leaves the process', () => {
  test.each(SCENARIOS)(
    '$name',
    ({ name, kind, isCancelled, prelude, alike = 1 }) =>
      killAtEachCall(`of a job, ${name}`, { seed, stride: STRIDE * alike, prelude }, (crashes, random) =>
        runJobWithCrashes({ kind, isCancelled, crashes, random }),
      ),
    HOUR_MS,
  );
});
