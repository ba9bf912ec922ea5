import type { OnMessage } from '../../messages/bus';
import { fitsFilter } from './topic-filter';

interface Outlet {
  readonly filter: string;
  readonly onMessage: OnMessage;
}

/** Of a persistent session, before anybody has subscribed: more than that nobody sends a device while it restarts. */
const MAX_UNCLAIMED_BYTES = 256 * 1024;

/** Hands messages to those who subscribed to them. What comes before anybody has is kept for the first whose it is. */
export class Inlet {
  readonly #outlets = new Set<Outlet>();
  #unclaimed: { readonly topic: string; readonly payload: Buffer }[] = [];

  /** In place of an earlier one for the same filter: those of a connection that is gone hear until they are replaced. */
  open(filter: string, onMessage: OnMessage): { close(): void } {
    for (const earlier of this.#outlets) if (earlier.filter === filter) this.#outlets.delete(earlier);
    const outlet = { filter, onMessage };
    this.#outlets.add(outlet);
    const claimed = this.#unclaimed.filter(({ topic }) => fitsFilter(topic, filter));
    this.#unclaimed = this.#unclaimed.filter((message) => !claimed.includes(message));
    for (const { topic, payload } of claimed) onMessage(topic, payload);
    return { close: () => this.#outlets.delete(outlet) };
  }

  take(topic: string, payload: Buffer): void {
    const fitting = [...this.#outlets].filter(({ filter }) => fitsFilter(topic, filter));
    for (const { onMessage } of fitting) onMessage(topic, payload);
    if (fitting.length > 0) return;
    this.#unclaimed.push({ topic, payload });
    let bytes = this.#unclaimed.reduce((sum, each) => sum + each.payload.length, 0);
    while (bytes > MAX_UNCLAIMED_BYTES) bytes -= this.#unclaimed.shift()!.payload.length;
  }
}
