import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandom } from '../seeded-random';
import { DeviceLife, type Load, type Moment } from './device-life';
import { tryMoment } from './trial';

export interface PowerCutResult {
  readonly moments: number;
  readonly problems: readonly string[];
  readonly summary: string;
  /** Of the daemon, at the first moment with a problem. */
  readonly output: string;
}

/** From so many files on a batch is synced by one call for the file system. */
const LARGE_BATCH = 32;

/** Devices under load, one after the other; the power of each is cut at several moments, and each cut tried out. */
export class PowerCutRun {
  readonly #problems: string[] = [];
  #output = '';
  #moments = 0;
  #discarded = 0;
  #restless = 0;
  #kills = 0;
  #offline = 0;
  #versions = 0;
  #due = 0;
  #open = 0;
  #short = 0;
  #empty = 0;
  #rows = 0;
  #smallBatches = 0;
  #largeBatches = 0;
  #deleted = 0;
  #done = 0;
  #pending = 0;

  constructor(private readonly momentsPerRound: number) {}

  get result(): PowerCutResult {
    const problems = [...this.#problems];
    // Otherwise nothing was shown about them; in a handful of moments it is left to chance.
    const isLong = this.#moments >= 20;
    if (isLong && (this.#smallBatches === 0 || this.#largeBatches === 0 || this.#open === 0))
      problems.push('the load was not mixed: no claimed batch of one kind was waiting at any moment');
    if (this.#deleted === 0) problems.push('nothing came down before any of the moments');
    if (this.#done === 0 || this.#pending === 0)
      problems.push('no job was done before any of the moments, or none under way');
    return { moments: this.#moments, problems, summary: this.#summary, output: this.#output };
  }

  async round(dir: string, seed: number, load: Load, roundMs: number): Promise<void> {
    const random = new SeededRandom(seed);
    const life = await DeviceLife.begin(dir, random, seed, load);
    const moments: Moment[] = [];
    try {
      await this.#live(life, random, moments, roundMs);
    } finally {
      await life.end();
    }
    this.#discarded += life.discarded;
    this.#kills += life.kills;
    this.#offline += life.offline;
    this.#versions += moments.at(-1)?.versions.all.length ?? 0;
    for (const moment of moments) await this.#try(life, moment);
  }

  /** The moments lie anywhere in the round; the more of it is over, the more is older than the kernel's patience. */
  async #live(life: DeviceLife, random: SeededRandom, moments: Moment[], roundMs: number): Promise<void> {
    const startMs = performance.now();
    const times = Array.from({ length: this.momentsPerRound }, () => random.next() * roundMs).sort((a, b) => a - b);
    for (const time of times) {
      await delay(random.between(20, 120)); // of two that lie close together
      do {
        await life.stir();
        await delay(Math.max(0, Math.min(1_000, startMs + time - performance.now())));
      } while (performance.now() < startMs + time);
      if (!life.device.isRunning) throw new Error(`the daemon ended by itself\n${life.device.output.slice(-4_000)}`);
      const moment = await life.cutPower(this.#moments + moments.length + 1);
      if (moment === undefined) this.#restless += 1;
      else moments.push(moment);
    }
  }

  async #try(life: DeviceLife, moment: Moment): Promise<void> {
    const before = life.device.output.length;
    const startMs = performance.now();
    const { problems, due, open, short, empty, rows, deleted, done, pending } = await tryMoment(
      moment,
      life.device,
      life.ports,
    );
    this.#moments += 1;
    this.#due += due;
    this.#deleted += deleted;
    this.#done += done;
    this.#pending += pending;
    this.#open += open;
    this.#short += short;
    this.#empty += empty;
    this.#rows += rows.length;
    const sizes = new Map<number, number>();
    for (const { batch } of rows) if (batch !== undefined) sizes.set(batch, (sizes.get(batch) ?? 0) + 1);
    for (const size of sizes.values()) {
      if (size < LARGE_BATCH) this.#smallBatches += 1;
      else this.#largeBatches += 1;
    }
    this.#problems.push(...problems);
    if (problems.length > 0 && this.#output === '') this.#output = life.device.output.slice(before).slice(-6_000);
    process.stdout.write(
      `moment ${moment.number}: ${due} due, ${open} of them open, ${rows.length} rows waiting, ${deleted} came down, ${done} jobs done and ${pending} to be done, ${problems.length} problems, ${Math.round(performance.now() - startMs)} ms\n`,
    );
  }

  get #summary(): string {
    return [
      `${this.#moments} moments (${this.#discarded} copies discarded, ${this.#restless} moments given up), ${this.#versions} versions written, ${this.#kills} kills, ${this.#offline} times offline`,
      `${this.#problems.length} lost or altered`,
      `over all moments ${this.#due} versions due, ${this.#open} of them not yet in S3, ${this.#rows} claimed and waiting in ${this.#smallBatches} small and ${this.#largeBatches} large batches`,
      `${this.#deleted} objects deleted from the inbox and looked for on the disk`,
      `${this.#done} jobs had succeeded and were looked for on the disk, ${this.#pending} went on`,
      `of what nobody had synced ${this.#short} arrived short, ${this.#empty} empty and reported`,
    ].join('; ');
  }
}
