import type { Clock } from '../clock';
import type { Log } from '../log';

const AGAIN_MS = 24 * 3_600_000;

/** Topics that somebody has not allowed: each is told once, and tried again daily. The rest goes on. */
export class DeniedTopics {
  readonly #denied = new Map<string, { readonly againAtMs: number; readonly problem: string }>();

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Sentences that end with the next step. */
  get problems(): readonly string[] {
    return [...this.#denied.values()].map(({ problem }) => problem);
  }

  /** Those that are not to be tried now. */
  blocked(): string[] {
    const nowMs = this.clock.monotonicMs();
    return [...this.#denied].filter(([, { againAtMs }]) => nowMs < againAtMs).map(([topic]) => topic);
  }

  add(topic: string, problem: string): void {
    if (!this.#denied.has(topic)) this.log.error({ topic, reason: problem }, 'not permitted');
    this.#denied.set(topic, { againAtMs: this.clock.monotonicMs() + AGAIN_MS, problem });
  }

  remove(topic: string): void {
    if (this.#denied.delete(topic)) this.log.info({ topic }, 'permitted now');
  }

  /** What is permitted may have changed: each may be tried once more. */
  tryAgain(): void {
    for (const [topic, { problem }] of this.#denied) this.#denied.set(topic, { againAtMs: 0, problem });
  }
}
