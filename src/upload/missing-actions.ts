import type { Clock } from '../clock';
import type { Log } from '../log';

/** What PutObject alone does without, and what that costs. */
const COST = {
  's3:GetObject': 'after a lost answer an object under the key is taken for our own, unseen',
  's3:ListMultipartUploadParts': 'a resumed upload goes by its own record of parts, unchecked',
  's3:AbortMultipartUpload':
    'parts that a changed file leaves behind stay until a lifecycle rule of the bucket clears them (AbortIncompleteMultipartUpload)',
} as const;

export type OptionalAction = keyof typeof COST;

export interface MissingAction {
  readonly action: OptionalAction;
  /** What its lack costs; ends with the next step. */
  readonly cost: string;
}

/** It may be granted one day. */
const AGAIN_MS = 24 * 3_600_000;

/** IAM actions that are of use and not granted: each lack is learned once, told once, and looked at again daily. */
export class MissingActions {
  readonly #againAtMs = new Map<OptionalAction, number>();

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  get status(): readonly MissingAction[] {
    return [...this.#againAtMs.keys()].map((action) => ({
      action,
      cost: `${COST[action]}; to have it, allow ${action} in the policy of the role`,
    }));
  }

  isWorthAsking(action: OptionalAction): boolean {
    return this.clock.monotonicMs() >= (this.#againAtMs.get(action) ?? 0);
  }

  denied(action: OptionalAction): void {
    const isNew = !this.#againAtMs.has(action);
    this.#againAtMs.set(action, this.clock.monotonicMs() + AGAIN_MS);
    if (isNew)
      this.log.info({ code: 'ACCESS_DENIED', reason: `${action}: ${COST[action]}` }, 'not granted, going on without');
  }

  granted(action: OptionalAction): void {
    if (this.#againAtMs.delete(action)) this.log.info({ reason: action }, 'granted now');
  }
}
