/** What the demo found. A new way a file can go adds its counts here. */
export class DemoReport {
  /** Of the demo's files; what failed or differs counts for a person's files too. */
  readonly counts = {
    uploaded: 0,
    failed: 0,
    bytes: 0,
    mismatched: 0,
    missing: 0,
    pulled: 0,
    archived: 0,
    jobsSucceeded: 0,
  };
  /** Sentences; the demo went right when there is none. */
  readonly problems: string[] = [];
  readonly #startedAtMs = performance.now();

  /** @param credentials where they are to come from */
  constructor(private readonly credentials: string) {}

  toJson(): string {
    const seconds = Math.round((performance.now() - this.#startedAtMs) / 100) / 10;
    return JSON.stringify({ credentials: this.credentials, ...this.counts, seconds, problems: this.problems });
  }
}
