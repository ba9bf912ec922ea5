/** Batches on their way into the ledger: the next is claimed while the rows of one are written, and rows come in order. */
export class BatchesAhead {
  #written: Promise<void>[] = [];

  /** @param max of them at a time, the one whose rows are written included */
  constructor(private readonly max: number) {}

  /** Resolves when another may begin. @throws what an earlier one threw: then none after it is written */
  async room(): Promise<void> {
    if (this.#written.length < this.max) return;
    await this.#written[0];
    this.#written.shift();
  }

  add<T>(claim: Promise<T>, write: (claim: T) => Promise<void>): void {
    const before = this.#written.at(-1);
    const written = Promise.allSettled([claim, before]).then(async () => {
      await before;
      await write(await claim);
    });
    written.catch(() => undefined); // told to who waits for it
    this.#written.push(written);
  }

  /** All are written, or have failed. @throws what the first threw that failed */
  async finish(): Promise<void> {
    const written = this.#written;
    this.#written = [];
    await Promise.allSettled(written);
    await Promise.all(written);
  }
}
