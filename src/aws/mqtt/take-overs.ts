const WINDOW_MS = 60_000;
const ENOUGH = 2;

/**
 * Two clients of one id throw each other out for ever, and the CRT cannot see why it was thrown out. What it looks like:
 * a connection that was good is hung up on soon, while nothing was asked, and the next one is good again.
 */
export class TakeOvers {
  #atMs: number[] = [];

  /** @returns whether somebody else is using our id */
  add(nowMs: number, connectedAtMs: number): boolean {
    if (nowMs - connectedAtMs > WINDOW_MS) this.#atMs = [];
    else this.#atMs = [...this.#atMs.filter((atMs) => nowMs - atMs <= WINDOW_MS), nowMs];
    return this.#atMs.length >= ENOUGH;
  }

  /** It was the link. */
  forget(): void {
    this.#atMs = [];
  }
}
