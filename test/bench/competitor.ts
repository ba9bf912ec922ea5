import type { SourceFiles } from './source-files';

/** By the kernel's accounts; user and system, processes it started and waited for included. */
export interface Measured {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakRssKib: number;
  readonly startedAtNs: bigint;
  /** Beside the daemon: memory of its launcher that it shares with nobody. */
  readonly launcherKib?: number;
}

/** Somebody who can move files to the null S3. */
export interface Competitor {
  readonly name: string;
  /** What its object keys have before the name of the file. */
  readonly keyPrefix: string;
  /**
   * @param arrived resolves when every object is there
   * @throws Error when it failed, with what it said
   */
  move(source: SourceFiles, arrived: Promise<void>): Promise<Measured>;
}

/** Every byte arrived, and what that took. */
export interface Moved extends Measured {
  readonly ok: true;
  readonly requests: number;
  /** From its start until the null S3 saw its first request. */
  readonly firstRequestMs: number;
}

/** One run of one competitor. */
export type Run = Moved | { readonly ok: false; readonly reason: string };
