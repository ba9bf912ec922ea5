import { EventEmitter, once } from 'node:events';
import type { S3ErrorCode } from './s3/s3-error';

/**
 * What goes wrong, and when:
 * - drop: the socket is destroyed before anything is done; with `afterBytes` once so much of the body has come in
 * - dropAfter: done in full, then the socket is destroyed instead of answering (a lost answer)
 * - stall: accepted, never answered until `release()`
 * - slowDown 503, internalError 500, error (any S3 code, `code`): answered from the head alone
 * - truncate: the answer's head and the first half of its body, then the socket is destroyed
 * - corrupt: one bit of the received body flipped before it is verified and stored
 * - error200: Complete, CopyObject and UploadPartCopy answer 200 with an <Error> body; nothing is done
 * - conflict409: ConditionalRequestConflict
 */
export type FaultKind =
  | 'drop'
  | 'dropAfter'
  | 'stall'
  | 'slowDown'
  | 'internalError'
  | 'error'
  | 'truncate'
  | 'corrupt'
  | 'error200'
  | 'conflict409';

/** Which requests a fault hits. */
export interface FaultAim {
  kind: string;
  /** an operation's name as AWS spells it, 'Credentials', or '*' */
  operation: string;
  key?: RegExp | string;
  /** how many requests it hits; default 1, Infinity allowed */
  count?: number;
  /** each matching request is hit with this chance; needs `random` (seeded by the test), in [0, 1) */
  probability?: number;
  random?: () => number;
  /** lets so many matching requests pass first */
  skip?: number;
}

export interface Fault extends FaultAim {
  kind: FaultKind;
  /** only for drop */
  afterBytes?: number;
  /** only for error */
  code?: S3ErrorCode;
  message?: string;
}

export class ArmedFault<F extends FaultAim = Fault> {
  /** requests hit so far */
  hits = 0;
  private readonly events = new EventEmitter();
  private passes: number;
  private left: number;
  private released = false;

  constructor(
    readonly fault: F,
    private readonly disarm: () => void,
  ) {
    this.passes = fault.skip ?? 0;
    this.left = fault.count ?? (fault.probability === undefined ? 1 : Number.POSITIVE_INFINITY);
    this.events.setMaxListeners(0);
  }

  /** No further request is hit. Requests that stall already stay so until `release()`. */
  remove(): void {
    this.disarm();
  }

  /** Lets stalled requests go on, now and later. */
  release(): void {
    this.released = true;
    this.events.emit('release');
  }

  /** Resolves once `hits` has reached `count`. */
  async waitForHits(count = 1): Promise<void> {
    while (this.hits < count) await once(this.events, 'hit');
  }

  async untilReleased(): Promise<void> {
    if (!this.released) await once(this.events, 'release');
  }

  tryHit(operation: string, key: string | undefined): boolean {
    const { fault } = this;
    if (fault.operation !== '*' && fault.operation !== operation) return false;
    if (fault.key !== undefined && !matchesKey(fault.key, key ?? '')) return false;
    if (this.left <= 0) return false;
    if (fault.probability !== undefined && (fault.random ?? missingRandom)() >= fault.probability) return false;
    if (this.passes > 0) {
      this.passes -= 1;
      return false;
    }
    this.left -= 1;
    this.hits += 1;
    this.events.emit('hit');
    if (this.left <= 0 && fault.kind !== 'stall') this.remove();
    return true;
  }
}

export class FaultPlan<F extends FaultAim & { code?: string } = Fault> {
  private armed: ArmedFault<F>[] = [];

  add(fault: F): ArmedFault<F> {
    if (fault.kind === 'error' && fault.code === undefined) throw new Error('a fault of kind error needs a code');
    const armed: ArmedFault<F> = new ArmedFault(fault, () => {
      this.armed = this.armed.filter((each) => each !== armed);
    });
    this.armed.push(armed);
    return armed;
  }

  /** Takes all faults away and lets stalled requests go on. */
  clear(): void {
    const gone = this.armed;
    this.armed = [];
    for (const fault of gone) fault.release();
  }

  /** The first armed fault that hits this request. */
  strike(operation: string, key: string | undefined): ArmedFault<F> | undefined {
    return this.armed.find((fault) => fault.tryHit(operation, key));
  }
}

function matchesKey(pattern: RegExp | string, key: string): boolean {
  return typeof pattern === 'string'
    ? key === pattern
    : new RegExp(pattern.source, pattern.flags.replace('g', '')).test(key);
}

function missingRandom(): number {
  throw new Error('a fault with a probability needs its own random()');
}
