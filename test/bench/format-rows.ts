import { formatTable } from './format-table';
import type { Row } from './judge-row';

/** The table of the targets, with what a row has to say below it. */
export function formatRows(rows: readonly Row[]): string {
  const lines = rows.map(({ what, id, value, peer, ratio, target, met }) => [
    `${id.padEnd(3)} ${what}`,
    format(value),
    format(peer),
    ratio === null ? '-' : `${ratio.toFixed(2)} ×`,
    target,
    met === null ? '-' : met ? 'met' : 'NOT MET',
  ]);
  const notes = rows.flatMap(({ id, note }) => (note === undefined ? [] : [`${id}: ${note}`]));
  return ['', formatTable(['what', 'courier', 'peer', 'ratio', 'target', ''], lines), ...notes].join('\n');
}

const format = (value: number | null): string =>
  value === null ? '-' : value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 3);
