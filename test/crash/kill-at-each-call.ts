import type { CrashAt, Moment } from './crash-point';
import { FEWEST_CALLS, overCalls } from './over-calls';
import { SeededRandom } from './seeded-random';

export interface EachCallOptions {
  readonly seed: number;
  /** Every so many calls, beginning at another one with each seed. */
  readonly stride: number;
  /** An earlier life that ended here; the calls of the next are gone through. */
  readonly prelude?: CrashAt | undefined;
}

export interface EachCallResult {
  /** Where each of the crashes hit; shorter than asked for when a life ended in peace. */
  readonly killedIn: readonly string[];
  readonly problems: readonly string[];
  readonly output: string;
}

/** Goes through the calls of a process, and kills it before and after each. @throws with what came of it, when something did */
export async function killAtEachCall(
  what: string,
  { seed, stride, prelude }: EachCallOptions,
  run: (crashes: readonly CrashAt[], random: SeededRandom) => Promise<EachCallResult>,
): Promise<void> {
  const calls = new Map<string, number>();
  const failures: string[] = [];
  let kills = 0;
  for (const when of ['before', 'after'] as const) {
    await overCalls(seed, stride, async (n) => {
      const crashes = [...(prelude === undefined ? [] : [prelude]), { n, when }];
      const result = await run(crashes, new SeededRandom(seed + n * 2 + (when === 'after' ? 1 : 0)));
      if (result.problems.length > 0) failures.push(explain(n, when, result, failures.length === 0));
      if (result.killedIn.length < crashes.length) return false;
      kills += crashes.length;
      const last = result.killedIn.at(-1)!;
      calls.set(last, (calls.get(last) ?? 0) + 1);
      return true;
    });
  }
  const killedAt = [...calls].sort().map(([call, times]) => `${call} ${times}`);
  process.stdout.write(
    `each call ${what}: ${kills} kills, ${failures.length} runs with something lost, altered or doubled; killed at: ${killedAt.join(', ')} (seed ${seed})\n`,
  );
  if (failures.length > 0) throw new Error(`${failures.length} runs, seed ${seed}\n${failures.reverse().join('\n')}`);
  expect(kills).toBeGreaterThanOrEqual(2 * Math.max(1, Math.floor(FEWEST_CALLS / stride)));
}

function explain(n: number, when: Moment, { killedIn, problems, output }: EachCallResult, inFull: boolean): string {
  const head = `killed ${when} call ${n} (${killedIn.join(', then ')}): ${problems.join('; ')}`;
  return inFull ? `${head}\n${output.slice(-6_000)}` : head;
}
