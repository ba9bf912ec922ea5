import type { Competitor, Run } from './competitor';
import { findDifference } from './find-difference';
import type { NullS3Process } from './null-s3-process';
import type { SourceFiles } from './source-files';

/** Runs of every competitor, in the order of the rounds. */
export type Results = ReadonlyMap<Competitor, readonly Run[]>;

/** Every competitor moves the same files, in turn, round after round; one that failed is out. */
export async function contest(
  nullS3: NullS3Process,
  source: SourceFiles,
  competitors: readonly Competitor[],
  rounds: number,
  onRun: (competitor: Competitor, run: Run) => void,
): Promise<Results> {
  const results = new Map(competitors.map((competitor): [Competitor, Run[]] => [competitor, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [competitor, runs] of results) {
      if (runs.some((run) => !run.ok)) continue;
      const run = await runOnce(nullS3, source, competitor);
      runs.push(run);
      onRun(competitor, run);
    }
  }
  return results;
}

async function runOnce(nullS3: NullS3Process, source: SourceFiles, competitor: Competitor): Promise<Run> {
  const { arrived } = await nullS3.expect(source.files.length);
  try {
    const measured = await competitor.move(source, arrived);
    const report = await nullS3.report();
    const difference = findDifference(source.files, competitor.keyPrefix, report);
    if (difference !== undefined) return { ok: false, reason: difference };
    const firstRequestNs = BigInt(report.firstRequestAtNs ?? 0) - measured.startedAtNs;
    return { ok: true, ...measured, requests: report.requests, firstRequestMs: Number(firstRequestNs) / 1e6 };
  } catch (error) {
    return { ok: false, reason: (error as Error).message };
  }
}
