import type { Socket } from 'node:net';
import { findSocketBacklog } from './socket-backlog';

/** Tells of a request that moves nothing: neither an event here nor a shrinking backlog in the kernel. */
export class StallTimer {
  #lastMs = performance.now();
  #backlog: number | undefined;
  #timer: NodeJS.Timeout;

  constructor(
    private readonly socket: Socket,
    private readonly stallMs: number,
    private readonly onStall: (quietMs: number) => void,
  ) {
    this.#timer = setTimeout(() => this.#check(), stallMs);
  }

  progress(): void {
    this.#lastMs = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    const quietMs = performance.now() - this.#lastMs;
    if (quietMs >= this.stallMs - 1 && !this.#kernelMoves()) {
      this.onStall(quietMs);
      return;
    }
    this.#timer = setTimeout(
      () => this.#check(),
      Math.max(1, quietMs >= this.stallMs - 1 ? this.stallMs : this.stallMs - quietMs),
    );
  }

  #kernelMoves(): boolean {
    const before = this.#backlog;
    this.#backlog = findSocketBacklog(this.socket);
    // The first look only takes the measure, and grants one more period where something is still queued.
    return this.#backlog !== undefined && this.#backlog > 0 && (before === undefined || this.#backlog < before);
  }
}
