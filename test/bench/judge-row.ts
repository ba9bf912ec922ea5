import type { Moved, Run } from './competitor';
import { median } from './median';

/** One line of the table and of `--json`. What is null could not be measured; `note` says why. */
export interface Row {
  readonly id: string;
  readonly what: string;
  readonly value: number | null;
  readonly peer: number | null;
  readonly ratio: number | null;
  readonly target: string;
  /** Null: nothing to compare with, or nothing asked. */
  readonly met: boolean | null;
  readonly note?: string;
}

export interface Target {
  readonly is: 'at most' | 'at least' | 'printed beside';
  readonly limit: number;
}

/** Somebody's runs, or why there are none. */
export type Side = readonly Run[] | { readonly absent: string };

type Figure = (run: Moved) => number;

/** Ours against a peer: medians, no ratio unless every run of both moved every byte. */
export function judgeRatio(id: string, what: string, figure: Figure, ours: Side, peer: Side, target: Target): Row {
  const [value, failure] = findMedian(ours, figure);
  const [peerValue, peerFailure] = findMedian(peer, figure);
  const ratio = value !== null && peerValue !== null ? value / peerValue : null;
  const note = failure === undefined ? peerFailure : `courier: ${failure}`;
  return {
    id,
    what,
    value,
    peer: peerValue,
    ratio,
    target: describe(target, '×'),
    met: value === null ? false : ratio === null ? null : isMet(ratio, target),
    ...(note === undefined ? {} : { note }),
  };
}

/** Ours alone against a limit. */
export function judgeLimit(id: string, what: string, figure: Figure, ours: Side, target: Target, unit: string): Row {
  const [value, failure] = findMedian(ours, figure);
  return {
    id,
    what,
    value,
    peer: null,
    ratio: null,
    target: describe(target, unit),
    met: value === null ? false : isMet(value, target),
    ...(failure === undefined ? {} : { note: failure }),
  };
}

function findMedian(side: Side, figure: Figure): [number | null, string?] {
  if ('absent' in side) return [null, side.absent];
  const figures: number[] = [];
  for (const run of side) {
    if (!run.ok) return [null, run.reason];
    figures.push(figure(run));
  }
  return figures.length === 0 ? [null, 'did not run'] : [median(figures)];
}

function isMet(value: number, { is, limit }: Target): boolean | null {
  if (is === 'printed beside') return null;
  return is === 'at most' ? value <= limit : value >= limit;
}

function describe({ is, limit }: Target, unit: string): string {
  if (is === 'printed beside') return '';
  return `${is === 'at most' ? '≤' : '≥'} ${limit} ${unit}`;
}
