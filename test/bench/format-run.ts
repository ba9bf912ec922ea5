import type { Moved, Run } from './competitor';
import type { Results } from './contest';
import { formatTable } from './format-table';
import { median } from './median';

export function formatRun(load: string, name: string, run: Run): string {
  if (!run.ok) return `${load}  ${name.padEnd(13)} FAILED: ${run.reason}`;
  const { wallMs, cpuMs, peakRssKib, launcherKib } = run;
  const figures = [
    `wall ${seconds(wallMs)} s`,
    `cpu ${seconds(cpuMs)} s`,
    `rss ${mib(peakRssKib)} MiB`,
    ...(launcherKib === undefined ? [] : [`launcher ${mib(launcherKib)} MiB`]),
    `first request after ${seconds(run.firstRequestMs)} s`,
    `${run.requests} requests`,
  ];
  return `${load}  ${name.padEnd(13)} ${figures.join('  ')}`;
}

/** Smallest, middle and largest of all runs of each: on a quiet machine they are close. */
export function formatSpread(load: string, results: Results): string {
  const head = [load, 'wall s', 'cpu s', 'rss MiB', 'first request s'];
  const lines = [...results].map(([{ name }, runs]) => {
    const moved = runs.filter((run) => run.ok);
    const spread = (figure: (run: Moved) => number, format: (value: number) => string): string =>
      spreadOf(moved.map(figure), format);
    return [
      name,
      spread(({ wallMs }) => wallMs, seconds),
      spread(({ cpuMs }) => cpuMs, seconds),
      spread(({ peakRssKib }) => peakRssKib, mib),
      spread(({ firstRequestMs }) => firstRequestMs, seconds),
    ];
  });
  return `\nmin/median/max\n${formatTable(head, lines)}\n`;
}

function spreadOf(values: readonly number[], format: (value: number) => string): string {
  if (values.length === 0) return '-';
  return [Math.min(...values), median(values), Math.max(...values)].map(format).join('/');
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2);
const mib = (kib: number): string => (kib / 1024).toFixed(0);
