import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessAccounts {
  readonly pid: number;
  /** Its own and that of the children it waited for, in ticks of 10 ms. */
  readonly cpuMs: number;
  /** VmHWM */
  readonly peakRssKib: number;
  /** VmRSS */
  readonly rssKib: number;
  /** What it shares with no other process. */
  readonly privateKib: number;
}

/** Linux tells user space 100 ticks a second whatever its own clock does. */
const MS_PER_TICK = 10;

/** A process and all below it, parents first. */
export function readProcessTree(pid: number): ProcessAccounts[] {
  return [readAccounts(pid), ...childrenOf(pid).flatMap(readProcessTree)];
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

function readAccounts(pid: number): ProcessAccounts {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold anything; utime, stime, cutime, cstime are the 12th to 15th word behind it.
  const ticks = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return {
    pid,
    cpuMs: ticks.reduce((sum, tick) => sum + tick, 0) * MS_PER_TICK,
    peakRssKib: kib(status, 'VmHWM'),
    rssKib: kib(status, 'VmRSS'),
    privateKib: kib(rollup, 'Private_Clean') + kib(rollup, 'Private_Dirty'),
  };
}

function kib(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
}
