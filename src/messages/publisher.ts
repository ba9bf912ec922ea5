import type { Clock } from '../clock';
import { probePauseMs } from '../domain/backoff';
import { asTransferError, hasCode } from '../domain/errors';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import type { Bus, Channel } from './bus';
import { DeniedTopics } from './denied-topics';
import type { Publication, PublicationTable } from './publication-table';

export interface PublisherOptions {
  readonly table: PublicationTable;
  readonly buses: Readonly<Partial<Record<Channel, Bus>>>;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
}

/** A nucleus takes ten unacknowledged messages at most, and refuses the rest of a burst. */
const IN_FLIGHT = 5;
/** One commit removes so many. */
const AT_A_TIME = 128;
/** A bus that is away for weeks must not fill the disk. */
const MAX_STORED = 10_000;
const PAUSE = { baseMs: 500, capMs: 60_000 } as const;
const IDLE_MS = 3_600_000;

/** Hands stored messages to their bus, and forgets each once it is taken over. */
export class Publisher {
  readonly #loop: RunLoop;
  readonly #denied: DeniedTopics;
  #failures = 0;
  #dropped = 0;

  constructor(private readonly options: PublisherOptions) {
    const { clock, log, buses } = options;
    this.#loop = new RunLoop(() => this.#step(), clock);
    this.#denied = new DeniedTopics(clock, log);
    for (const bus of Object.values(buses)) bus.onConnected(() => this.#retry());
  }

  get status(): { readonly stored: number; readonly dropped: number; readonly problems: readonly string[] } {
    return { stored: this.options.table.stored, dropped: this.#dropped, problems: this.#denied.problems };
  }

  /** Rejects when the ledger broke. */
  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  /** There is a new message. */
  wake(): void {
    if (this.#failures === 0) this.#loop.wake(); // else its turn comes with the others'
  }

  /** What is under way ends within the bus's own time. */
  async stop(): Promise<void> {
    this.#loop.stop();
    await this.#loop.finished.catch(() => undefined);
  }

  #retry(): void {
    this.#failures = 0;
    this.#denied.tryAgain();
    this.#loop.wake();
  }

  /** @returns for how many milliseconds there is nothing to do */
  async #step(): Promise<number> {
    const { table, buses, dice, log } = this.options;
    const dropped = await table.keepNewest(MAX_STORED);
    if (dropped > 0) {
      this.#dropped += dropped;
      log.warn({ count: dropped }, 'the oldest stored messages are dropped, nobody has taken them');
    }
    const due = table.oldest(AT_A_TIME, Object.keys(buses) as Channel[], this.#denied.blocked());
    if (due.length === 0) return IDLE_MS; // which is also how soon a denied topic is found to be due again
    const published = await this.#publishAll(due);
    await table.remove(published.taken);
    if (!published.interrupted) {
      this.#failures = 0;
      return 0;
    }
    return probePauseMs(this.#failures++, PAUSE, dice());
  }

  /** A few at once; the first that fails for lack of a bus stops the rest. */
  async #publishAll(due: readonly Publication[]): Promise<{ taken: Publication[]; interrupted: boolean }> {
    const taken: Publication[] = [];
    let interrupted = false;
    const queue = due.values();
    const lane = async (): Promise<void> => {
      for (const publication of queue) {
        if (interrupted || this.#loop.isStopping) return;
        const { channel, topic, payload } = publication;
        const name = `${channel}/${topic}`;
        if (this.#denied.blocked().includes(name)) continue;
        try {
          await this.options.buses[channel]!.publish(topic, payload); // rows of no other channel are read
          taken.push(publication);
          this.#denied.remove(name);
        } catch (error) {
          if (hasCode(error, 'MESSAGE_DENIED')) this.#denied.add(name, error.message);
          else {
            interrupted = true;
            this.options.log.debug({ topic, reason: asTransferError(error).message }, 'message not taken, again later');
          }
        }
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return { taken, interrupted };
  }
}
