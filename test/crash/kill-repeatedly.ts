import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A device that is killed again and again, and all that is around it. */
export interface Killable {
  readonly kills: number;
  readonly problems: readonly string[];
  readonly summary: string;
  /** Of the daemon. */
  readonly output: string;
  killOnce(): Promise<void>;
  /** The last life, in which all gets done. */
  finish(): Promise<void>;
  end(): Promise<void>;
}

/** @throws with what is wrong in the end @param create in a folder of its own */
export async function killRepeatedly(
  what: string,
  seed: number,
  kills: number,
  create: (dir: string) => Promise<Killable>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sigkill-'));
  const run = await create(dir);
  try {
    while (run.kills < kills) await run.killOnce();
    await run.finish();
    process.stdout.write(`${what}: ${run.summary} (seed ${seed})\n`);
    if (run.problems.length > 0)
      throw new Error(`seed ${seed}\n${run.problems.slice(0, 50).join('\n')}\n${run.output.slice(-6_000)}`);
  } finally {
    await run.end();
    rmSync(dir, { recursive: true, force: true });
  }
}
