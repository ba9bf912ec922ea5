// node --import tsx test/crash/power-cut/producer.ts <outbox> <incoming> <log> <seed> <bursts|trickle>
//
// A device that is never idle, in a process of its own that can be stopped. Ends with its standard input.
import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandom } from '../seeded-random';
import { type Care, type GrowingFile, ProducerFiles } from './producer-files';
import { ProducerLog } from './producer-log';

const KIB = 1024;
const MIB = 1024 * KIB;
const FOLDERS = 4;
const REPLACED = 10;
const MOST_GROWING = 3;
/** The daemon needs room for its own. */
const LEAST_FREE = 0.4;
const ROOM_AGAIN_MS = 50;

class Producer {
  readonly #growing: GrowingFile[] = [];
  #named = 0;

  constructor(
    private readonly outbox: string,
    private readonly files: ProducerFiles,
    private readonly random: SeededRandom,
    private readonly hasBursts: boolean,
  ) {}

  async run(): Promise<never> {
    for (let folder = 0; folder < FOLDERS; folder++) mkdirSync(join(this.outbox, `s${folder}`), { recursive: true });
    mkdirSync(join(this.outbox, 'replaced'), { recursive: true });
    for (;;) {
      if (this.#hasRoom()) this.#act();
      else await delay(ROOM_AGAIN_MS);
      await delay(this.random.between(5, 150));
    }
  }

  #act(): void {
    const { random } = this;
    const dice = random.next();
    if (dice < 0.3 || (dice < 0.4 && !this.hasBursts)) this.#place(this.#names(random.between(1, 4)), 48 * KIB);
    else if (dice < 0.4)
      this.#place(this.#names(random.between(33, 80)), 6 * KIB); // beyond one sync for each
    else if (dice < 0.6) this.#place([`replaced/r${random.between(1, REPLACED)}.txt`], 64 * KIB);
    else if (dice < 0.67) this.#place(this.#names(1), 2 * MIB);
    else if (dice < 0.69) this.#placeOne(random.between(5 * MIB, 8 * MIB));
    else if (dice < 0.76 && this.#growing.length < MOST_GROWING) this.#grow();
    this.#growing.splice(0, this.#growing.length, ...this.#growing.filter((file) => this.#goesOn(file)));
  }

  #place(names: readonly string[], mostBytes: number): void {
    this.files.place(
      names.map((name) => ({ name, bytes: this.random.between(64, mostBytes) })),
      this.#care(),
    );
  }

  #placeOne(bytes: number): void {
    this.files.place([{ name: `large-${++this.#named}.bin`, bytes }], this.#care());
  }

  #grow(): void {
    const name = `s${this.random.between(0, FOLDERS - 1)}/log-${++this.#named}.txt`;
    this.#growing.push(this.files.open(name, this.random.between(64 * KIB, 400 * KIB)));
  }

  /** Slower than the daemon's patience with writers, some of them. */
  #goesOn(file: GrowingFile): boolean {
    return this.random.chance(0.6) || file.append(this.random.between(1 * KIB, 60 * KIB), this.#care());
  }

  #names(count: number): string[] {
    return Array.from({ length: count }, () => `s${this.random.between(0, FOLDERS - 1)}/f-${++this.#named}.txt`);
  }

  #care(): Care {
    return this.random.chance(0.35) ? 'fsync' : 'none';
  }

  #hasRoom(): boolean {
    const { bavail, blocks } = statfsSync(this.outbox);
    return bavail / blocks > LEAST_FREE;
  }
}

const [outbox = '', incoming = '', log = '', seed = '', load = ''] = process.argv.slice(2);
process.stdin.resume().once('close', () => process.exit(0));
const files = new ProducerFiles(outbox, incoming, new ProducerLog(log), Number(seed) * 1_000_000);
void new Producer(outbox, files, new SeededRandom(Number(seed)), load === 'bursts').run();
