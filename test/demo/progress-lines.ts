import type { StatusDocument } from '../../src/control/protocol';
import { formatBytes } from '../../src/domain/format-bytes';
import { fitToWidth } from './fit-to-width';

/** Counts of an earlier moment: progress is counted from there. */
export type Baseline = Pick<StatusDocument['uploads'], 'done' | 'doneBytes'>;

interface Bar {
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

const MAX_NAME = 44;
const MIN_BAR = 6;
const MAX_BAR = 40;

/**
 * A bar for all files together, and below it one for each file under way, the largest first; no line wider than `columns`.
 * @returns no line when nothing is to be done
 */
export function progressLines(status: StatusDocument, since: Baseline, columns: number, maxLines: number): string[] {
  const active = [...status.active].sort((a, b) => b.sizeBytes - a.sizeBytes || a.id - b.id);
  const bar = overallBar(status, since);
  if (bar === undefined) return [];
  const room = Math.max(0, maxLines - 1);
  const shown = active.length > room ? active.slice(0, Math.max(0, room - 1)) : active;
  const lines = [bar, ...shown.map(({ path, sentBytes, sizeBytes }) => toBar(path, sentBytes, sizeBytes))].map((each) =>
    drawBar(each, columns),
  );
  if (shown.length < active.length) lines.push(fitToWidth(`and ${active.length - shown.length} more`, columns));
  return lines.slice(0, maxLines);
}

/** The same in one plain line, for a log. */
export function progressSentence(status: StatusDocument, since: Baseline): string | undefined {
  const bar = overallBar(status, since);
  return bar && `${bar.name}, ${percentOf(bar)} %, ${formatBytes(bar.doneBytes)} of ${formatBytes(bar.totalBytes)}`;
}

function overallBar({ uploads, active }: StatusDocument, since: Baseline): Bar | undefined {
  const waiting = uploads.queued + uploads.uploading;
  if (waiting === 0) return undefined;
  const done = uploads.done - since.done;
  const sentBytes = active.reduce((sum, upload) => sum + upload.sentBytes, 0);
  const doneBytes = uploads.doneBytes - since.doneBytes;
  return toBar(`${done} of ${done + waiting} files`, doneBytes + sentBytes, doneBytes + uploads.queuedBytes);
}

function toBar(name: string, doneBytes: number, totalBytes: number): Bar {
  return { name, doneBytes: Math.min(doneBytes, totalBytes), totalBytes };
}

function drawBar(bar: Bar, columns: number): string {
  const right = ` ${String(percentOf(bar)).padStart(3)} %  ${formatBytes(bar.doneBytes)} of ${formatBytes(bar.totalBytes)}`;
  const nameWidth = Math.min(MAX_NAME, Math.max(8, Math.floor(columns * 0.4)));
  const barWidth = Math.min(MAX_BAR, columns - nameWidth - RIGHT_WIDTH - 3);
  const name = fitToWidth(bar.name, nameWidth);
  if (barWidth < MIN_BAR) return fitToWidth(`${name}${right}`, columns);
  const filled = Math.round((barWidth * percentOf(bar)) / 100);
  return fitToWidth(`${name} [${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}]${right}`, columns);
}

/** Of the widest `  42 %  1023.9 MiB of 1023.9 MiB`. */
const RIGHT_WIDTH = 32;

/** 100 only when it is all. */
function percentOf({ doneBytes, totalBytes }: Bar): number {
  return totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
}
