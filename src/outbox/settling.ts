import { compareFingerprints, type Fingerprint } from '../domain/fingerprint';

export interface SettlingOptions {
  /** Files remembered one by one; beyond, a stamp decides. */
  readonly maxRemembered: number;
}

interface Seen {
  readonly fingerprint: Fingerprint;
  readonly sinceMs: number;
}

/** A moment in both clocks: ours, and that of the files' ctime. */
export interface Stamp {
  readonly monotonicMs: number;
  readonly ctimeNs: bigint;
}

/** Coarse ctimes (whole seconds, a tick of the kernel) must not make a file look older than the stamp. */
const CTIME_MARGIN_NS = 2_000_000_000n;

/**
 * Which files have settled: the same in two looks at least so long apart, measured by a clock that only grows. Files
 * are remembered one by one; of a large backlog those beyond a limit by one stamp for all: what was last touched before
 * a stamp that is old enough has settled. No file's time is ever compared with this process's clock.
 */
export class Settling {
  #now = new Map<string, Seen>();
  #before = new Map<string, Seen>();
  #stamps: Stamp[] = [];
  #overflow = false;
  #earliestMs: number | undefined;

  constructor(private readonly options: SettlingOptions) {}

  /** A look begins. @param stamp taken just before it, where the last one had more files than are remembered */
  begin(stamp: Stamp | undefined): void {
    this.#before = this.#now;
    this.#now = new Map();
    this.#overflow = false;
    this.#earliestMs = undefined;
    if (stamp !== undefined) this.#stamps.push(stamp);
  }

  /** @param settleMs how long this file has to stay as it is */
  isSettled(path: Buffer, fingerprint: Fingerprint, ctimeNs: bigint, nowMs: number, settleMs: number): boolean {
    if (settleMs === 0) return true;
    const name = path.toString('latin1'); // one character per byte
    const before = this.#before.get(name);
    const isSame = before !== undefined && compareFingerprints(before.fingerprint, fingerprint) === 'same';
    const seen = isSame ? before : { fingerprint, sinceMs: nowMs };
    if (isSame && nowMs - seen.sinceMs >= settleMs) return true;
    if (before === undefined && this.#isOlderThanAStamp(ctimeNs, nowMs - settleMs)) return true;
    if (this.#now.size < this.options.maxRemembered) this.#now.set(name, seen);
    else this.#overflow = true;
    this.#earliestMs = Math.min(this.#earliestMs ?? Number.POSITIVE_INFINITY, seen.sinceMs + settleMs);
    return false;
  }

  /** A file that has settled but was not taken: its next look need not wait anew. */
  keep(path: Buffer, fingerprint: Fingerprint, nowMs: number, settleMs: number): void {
    if (this.#now.size < this.options.maxRemembered)
      this.#now.set(path.toString('latin1'), { fingerprint, sinceMs: nowMs - settleMs });
  }

  /** When the first of the files seen in this look can have settled, on the monotonic clock. */
  get earliestMs(): number | undefined {
    return this.#earliestMs;
  }

  /** Whether the next look wants a stamp. */
  get wantsStamp(): boolean {
    return this.#overflow;
  }

  /** The wall clock was stepped: what it wrote into files before says nothing about after. */
  forget(): void {
    this.#now.clear();
    this.#before.clear();
    this.#stamps = [];
  }

  #isOlderThanAStamp(ctimeNs: bigint, beforeMs: number): boolean {
    while (this.#stamps.length > 1 && this.#stamps[1]!.monotonicMs <= beforeMs) this.#stamps.shift();
    const [oldest] = this.#stamps;
    return oldest !== undefined && oldest.monotonicMs <= beforeMs && ctimeNs + CTIME_MARGIN_NS <= oldest.ctimeNs;
  }
}
