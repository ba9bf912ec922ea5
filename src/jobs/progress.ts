export interface ReportedProgress {
  readonly percent: number;
  readonly atMs: number;
}

const EVERY_PERCENT = 10;
const EVERY_MS = 10_000;

/** Whole per cent; 0 while nobody knows how much there is. */
export const percentOf = (doneBytes: number, totalBytes: number): number =>
  totalBytes <= 0 ? 0 : Math.min(100, Math.floor((doneBytes / totalBytes) * 100));

/** Each report costs a message both ways: at most every 10 %, and every 10 s. @param nowMs monotonic */
export const isWorthTelling = (percent: number, last: ReportedProgress, nowMs: number): boolean =>
  percent >= last.percent + EVERY_PERCENT && nowMs - last.atMs >= EVERY_MS;
