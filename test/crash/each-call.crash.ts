import type { CrashAt, Moment } from './crash-point';
import { type CrashRunResult, runWithCrashes } from './crash-run';
import { overCalls } from './over-calls';
import { settingsFromEnv } from './run-settings';
import { SeededRandom } from './seeded-random';
import { FILE_NAMES, type FileName, type OnExisting } from './workload';

const { full, seed } = settingsFromEnv(process.env);
/** Without --full every thirty-seventh call, beginning at another one with each seed. */
const STRIDE = full ? 1 : 37;
const HOUR_MS = 3_600_000;

interface Scenario {
  readonly name: string;
  /** Default: files are sent from where they lie. */
  readonly claim?: 'move' | 'leave';
  readonly onExisting: OnExisting;
  readonly files: readonly FileName[];
  readonly key?: string;
  /** An earlier life that ended here; the calls of the next are gone through. */
  readonly prelude?: CrashAt;
  readonly forgetsCompleted?: boolean;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'overwrite', onExisting: 'overwrite', files: FILE_NAMES },
  { name: 'skip', onExisting: 'skip', files: FILE_NAMES },
  { name: 'rename', onExisting: 'rename', files: FILE_NAMES },
  {
    name: 'overwrite, two files with one key',
    onExisting: 'overwrite',
    files: ['first/same.txt', 'second/same.txt', 'small.txt'],
    key: '{thing}/outbox/{name}',
  },
  {
    name: 'overwrite, resumed in mid-upload',
    onExisting: 'overwrite',
    files: ['large.bin', 'rewritten.bin'],
    prelude: { name: 'commit add', n: 2, when: 'after' },
  },
  {
    name: 'overwrite, after a Complete whose answer was lost',
    onExisting: 'overwrite',
    files: ['large.bin', 'small.txt'],
    prelude: { name: 'completeMultipart', n: 1, when: 'after' },
    forgetsCompleted: true,
  },
  {
    name: 'rename, after a Complete whose answer was lost',
    onExisting: 'rename',
    files: ['large.bin', 'taken.bin'],
    prelude: { name: 'completeMultipart', n: 1, when: 'after' },
    forgetsCompleted: true,
  },
  {
    name: 'rename, after a PUT whose answer was lost',
    onExisting: 'rename',
    files: ['small.txt', 'replaced.txt', 'taken.txt'],
    prelude: { name: 'putObject', n: 1, when: 'after' },
  },
  { name: 'claimed, overwrite', claim: 'move', onExisting: 'overwrite', files: FILE_NAMES },
  {
    name: 'claimed, rename',
    claim: 'move',
    onExisting: 'rename',
    files: ['small.txt', 'replaced.txt', 'taken.txt', 'taken.bin'],
  },
  {
    name: 'claimed, in folders, after a kill in the middle of the claim',
    claim: 'move',
    onExisting: 'overwrite',
    files: ['first/same.txt', 'second/same.txt', 'small.txt', 'replaced.txt', 'rewritten.bin'],
    prelude: { name: 'rename', n: 3, when: 'after' },
  },
  {
    name: 'claimed, after a kill between the claim and its rows',
    claim: 'move',
    onExisting: 'overwrite',
    files: ['small.txt', 'replaced.txt', 'second/same.txt', 'large.bin'],
    prelude: { name: 'commit enqueue', n: 1, when: 'before' },
  },
];

describe('killed before and after every call that leaves the process', () => {
  test.each(SCENARIOS)(
    '$name',
    async (scenario) => {
      const tally = new Tally();
      const failures: string[] = [];
      for (const when of ['before', 'after'] as const) {
        await overCalls(seed, STRIDE, async (n) => {
          const { crashed, result } = await killAt(scenario, n, when);
          tally.add(result, crashed);
          if (result.problems.length > 0) failures.push(explain(n, when, result, failures.length === 0));
          return crashed;
        });
      }
      process.stdout.write(`each call, ${scenario.name}: ${tally.summary} (seed ${seed})\n`);
      if (failures.length > 0)
        throw new Error(`${failures.length} runs, seed ${seed}\n${failures.reverse().join('\n')}`);
      expect(tally.kills).toBeGreaterThanOrEqual(2 * Math.max(1, Math.floor(15 / STRIDE)));
    },
    HOUR_MS,
  );
});

async function killAt(
  { claim = 'leave', onExisting, files, key = '{thing}/outbox/{path}', prelude, forgetsCompleted = false }: Scenario,
  n: number,
  when: Moment,
): Promise<{ crashed: boolean; result: CrashRunResult }> {
  const crashes = [...(prelude === undefined ? [] : [prelude]), { n, when }];
  const random = new SeededRandom(seed + n * 2 + (when === 'after' ? 1 : 0));
  const result = await runWithCrashes({ claim, onExisting, files, key, crashes, forgetsCompleted, random });
  return { crashed: result.killedIn.length === crashes.length, result };
}

class Tally {
  kills = 0;
  readonly #calls = new Map<string, number>();
  readonly #problems = new Map<string, number>([
    ['lost', 0],
    ['altered', 0],
  ]);
  #sentTwice = 0;
  #mostTwice = 0;

  add({ killedIn, problems, sentTwice }: CrashRunResult, crashed: boolean): void {
    this.kills += killedIn.length;
    for (const problem of problems) count(this.#problems, problem.slice(0, problem.indexOf(':')));
    if (crashed) count(this.#calls, killedIn.at(-1)!);
    this.#sentTwice += sentTwice;
    this.#mostTwice = Math.max(this.#mostTwice, sentTwice);
  }

  get summary(): string {
    const calls = [...this.#calls].sort().map(([name, times]) => `${name} ${times}`);
    const problems = [...this.#problems].map(([what, times]) => `${times} ${what}`);
    return `${this.kills} kills, ${problems.join(', ')}, sent twice ${this.#sentTwice} requests (at most ${this.#mostTwice} a run); killed at: ${calls.join(', ')}`;
  }
}

const count = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1);
};

function explain(n: number, when: Moment, { killedIn, problems, output }: CrashRunResult, inFull: boolean): string {
  const head = `killed ${when} call ${n} (${killedIn.join(', then ')}): ${problems.join('; ')}`;
  return inFull ? `${head}\n${output.slice(-6_000)}` : head;
}
