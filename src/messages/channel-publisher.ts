import type { Clock } from '../clock';
import { probePauseMs } from '../domain/backoff';
import { asTransferError, hasCode } from '../domain/errors';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import type { Bus, Channel } from './bus';
import { DeniedTopics } from './denied-topics';
import type { Publication, PublicationTable } from './publication-table';

export interface PublisherEdge {
  readonly table: PublicationTable;
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

/** The stored messages of one channel: a cloud that is away for weeks does not hold up what stays on the device. */
export class ChannelPublisher {
  readonly #loop: RunLoop;
  readonly #denied: DeniedTopics;
  #unlisten: () => void = () => undefined;
  #failures = 0;
  #dropped = 0;

  constructor(
    private readonly channel: Channel,
    private readonly bus: Bus,
    private readonly edge: PublisherEdge,
  ) {
    this.#loop = new RunLoop(() => this.#step(), edge.clock);
    this.#denied = new DeniedTopics(edge.clock, edge.log);
  }

  get dropped(): number {
    return this.#dropped;
  }

  get problems(): readonly string[] {
    return this.#denied.problems;
  }

  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): void {
    this.#unlisten = this.bus.onConnected(() => this.retry());
    this.#loop.start();
  }

  wake(): void {
    if (this.#failures === 0) this.#loop.wake(); // else its turn comes with the others'
  }

  async stop(): Promise<void> {
    this.#unlisten();
    await this.#loop.stop();
  }

  retry(): void {
    this.#failures = 0;
    this.#denied.tryAgain();
    this.#loop.wake();
  }

  /** @returns for how many milliseconds there is nothing to do */
  async #step(): Promise<number> {
    const { table, dice, log } = this.edge;
    const dropped = await table.keepNewest(MAX_STORED);
    if (dropped > 0) {
      this.#dropped += dropped;
      log.warn({ count: dropped }, 'the oldest stored messages are dropped, nobody has taken them');
    }
    const due = table.oldest(AT_A_TIME, this.channel, this.#denied.blocked());
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
        const { topic, payload } = publication;
        if (interrupted || this.#loop.isStopping) return;
        if (this.#denied.blocked().includes(topic)) continue;
        try {
          await this.bus.publish(topic, payload);
          taken.push(publication);
          this.#denied.remove(topic);
        } catch (error) {
          if (hasCode(error, 'MESSAGE_DENIED')) this.#denied.add(topic, error.message);
          else {
            interrupted = true;
            this.edge.log.debug({ topic, reason: asTransferError(error).message }, 'message not taken, again later');
          }
        }
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return { taken, interrupted };
  }
}
