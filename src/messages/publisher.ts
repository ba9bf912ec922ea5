import type { Bus, Channel } from './bus';
import { ChannelPublisher, type PublisherEdge } from './channel-publisher';

export interface PublisherOptions extends PublisherEdge {
  readonly buses: Readonly<Partial<Record<Channel, Bus>>>;
}

/** Hands stored messages to their bus, and forgets each once it is taken over. What has no bus here stays. */
export class Publisher {
  readonly #channels: readonly ChannelPublisher[];

  constructor(private readonly options: PublisherOptions) {
    const { buses, ...edge } = options;
    this.#channels = (Object.entries(buses) as [Channel, Bus][]).map(
      ([channel, bus]) => new ChannelPublisher(channel, bus, edge),
    );
  }

  get status(): { readonly stored: number; readonly dropped: number; readonly problems: readonly string[] } {
    return {
      stored: this.options.table.stored,
      dropped: this.#channels.reduce((sum, { dropped }) => sum + dropped, 0),
      problems: this.#channels.flatMap(({ problems }) => problems),
    };
  }

  /** Rejects when the ledger broke. */
  get finished(): Promise<unknown> {
    return Promise.all(this.#channels.map(({ finished }) => finished));
  }

  start(): this {
    for (const channel of this.#channels) channel.start();
    return this;
  }

  /** There is a new message. */
  wake(): void {
    for (const channel of this.#channels) channel.wake();
  }

  /** What was denied may be permitted now. */
  retry(): void {
    for (const channel of this.#channels) channel.retry();
  }

  /** What is under way ends within the bus's own time. */
  async stop(): Promise<void> {
    await Promise.all(this.#channels.map((channel) => channel.stop()));
  }
}
