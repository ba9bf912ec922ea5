import type { Ledger } from '../custody/ledger';
import { TRANSITIONS, type UploadState } from './transitions';

export interface Tally {
  readonly files: number;
  readonly bytes: number;
}

/** How many files, and bytes, are in each state: counted once, then kept in step with each commit. */
export class UploadTally {
  #counts!: Record<UploadState, { files: number; bytes: number }>;

  constructor(private readonly ledger: Ledger) {
    this.count();
  }

  get counts(): Readonly<Record<UploadState, Tally>> {
    return this.#counts;
  }

  move(from: UploadState, to: UploadState, bytes: number): void {
    this.add(from, { files: -1, bytes: -bytes });
    this.add(to, { files: 1, bytes });
  }

  add(state: UploadState, { files, bytes }: Tally): void {
    this.#counts[state].files += files;
    this.#counts[state].bytes += bytes;
  }

  count(): void {
    this.#counts = Object.fromEntries(
      Object.keys(TRANSITIONS).map((state) => [state, { files: 0, bytes: 0 }]),
    ) as Record<UploadState, { files: number; bytes: number }>;
    const rows = this.ledger.db
      .prepare(
        `SELECT state, COUNT(*) AS files, SUM(size_bytes) AS bytes FROM upload GROUP BY state
         UNION ALL SELECT state, files, bytes FROM pruned`,
      )
      .all() as { state: UploadState; files: number; bytes: number }[];
    for (const { state, files, bytes } of rows) {
      this.#counts[state].files += files;
      this.#counts[state].bytes += bytes;
    }
  }
}
