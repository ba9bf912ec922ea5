import type { CrashAt } from './crash-point';
import { type InboxCrashRunOptions, runInboxWithCrashes } from './inbox-crash-run';
import { killAtEachCall } from './kill-at-each-call';
import { settingsFromEnv } from './run-settings';

const { full, seed } = settingsFromEnv(process.env);
/** Without --full every sixteenth call, beginning at another one with each seed. */
const STRIDE = full ? 1 : 23;
const HOUR_MS = 3_600_000;

interface Scenario extends Omit<InboxCrashRunOptions, 'crashes' | 'random'> {
  readonly name: string;
  /** An earlier life that ended here; the calls of the next are gone through. */
  readonly prelude?: CrashAt;
}

const SURPRISED: readonly Scenario[] = (['open', 'read', 'copy', 'remove', 'dead'] as const).flatMap((before) =>
  (['replaced', 'replaced and put back', 'removed', 'archive key taken'] as const)
    // Between a look and the copy nobody can keep others out.
    .filter((what) => what !== 'archive key taken' || before !== 'copy')
    .map((what) => ({
      name: `${what} ${before === 'dead' ? 'while dead' : `before ${before}`}`,
      onExisting: 'overwrite',
      objects: ['small.txt'],
      surprise: { what, before },
    })),
);

const SCENARIOS: readonly Scenario[] = [
  { name: 'overwrite', onExisting: 'overwrite', objects: ['small.txt', 'deep/er/nested.txt', 'empty', 'taken.txt'] },
  { name: 'overwrite, in the middle of bodies', onExisting: 'overwrite', objects: ['large.bin', 'other.bin'] },
  { name: 'rename', onExisting: 'rename', objects: ['there.txt', 'deep/er/nested.txt'] },
  {
    name: 'rename, replaced',
    onExisting: 'rename',
    objects: ['there.txt'],
    surprise: { what: 'replaced', before: 'copy' },
  },
  { name: 'skip', onExisting: 'skip', objects: ['there.txt', 'small.txt'] },
  {
    name: 'by name, replaced in the middle',
    byName: true,
    onExisting: 'overwrite',
    objects: ['small.txt'],
    surprise: { what: 'replaced', before: 'open' },
  },
  {
    name: 'by name, replaced when it is archived',
    byName: true,
    onExisting: 'overwrite',
    objects: ['taken.txt'],
    surprise: { what: 'replaced', before: 'copy' },
  },
  {
    name: 'by name, replaced when it is deleted',
    byName: true,
    onExisting: 'overwrite',
    objects: ['small.txt'],
    surprise: { what: 'replaced', before: 'remove' },
  },
  {
    name: 'archive key taken after a kill before the copy',
    onExisting: 'overwrite',
    objects: ['small.txt'],
    surprise: { what: 'archive key taken', before: 'dead' },
    prelude: { name: 'copy', n: 1, when: 'before' },
  },
  {
    name: 'rename, after a kill between landing and its commit',
    onExisting: 'rename',
    objects: ['there.txt'],
    prelude: { name: 'link', n: 2, when: 'after' },
  },
  {
    name: 'overwrite, after a kill in the middle of the body',
    onExisting: 'overwrite',
    objects: ['large.bin'],
    prelude: { name: 'read', n: 3, when: 'after' },
  },
  ...SURPRISED,
];

describe('on the way down, killed before and after every call that leaves the process', () => {
  test.each(SCENARIOS)(
    '$name',
    ({ name, prelude, ...scenario }) =>
      killAtEachCall(`down, ${name}`, { seed, stride: STRIDE, prelude }, (crashes, random) =>
        runInboxWithCrashes({ ...scenario, crashes, random }),
      ),
    HOUR_MS,
  );
});
