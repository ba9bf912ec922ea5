import type { StatusDocument } from '../control/protocol';
import { formatBytes, formatSeconds } from './format';

/** The status for a person: what is going on, what is wrong, and what to do about it. */
export function presentStatus(status: StatusDocument): string {
  const { uploads, link, credentials, nowMs } = status;
  const ago = (ms: number): string => formatSeconds((nowMs - ms) / 1000);
  const waiting = uploads.queued + uploads.uploading;
  const lines = [
    `thing-courier ${status.version}, running for ${ago(status.startedAtMs)} (pid ${status.pid})${status.thing ? `, thing ${status.thing}` : ''}`,
    `files     ${waiting} waiting (${formatBytes(uploads.queuedBytes)}), ${uploads.done} delivered (${formatBytes(uploads.doneBytes)}), ${uploads.failed} failed`,
    link.state === 'up' ? 'link      up' : `link      down for ${ago(link.sinceMs ?? nowMs)}: ${link.reason}`,
    `access    ${credentials.source}${credentials.expiresInSeconds === undefined ? '' : `, credentials for another ${formatSeconds(Math.max(0, credentials.expiresInSeconds))}`}`,
  ];
  if (status.clockOffsetSeconds !== 0)
    lines.push(
      `clock     differs from the cloud's by ${formatSeconds(Math.abs(status.clockOffsetSeconds))}, corrected; set it right`,
    );
  for (const { path, files, lastScanAtMs } of status.outboxes) {
    lines.push(
      `outbox    ${path}: ${files} files${lastScanAtMs === undefined ? '' : `, looked at ${ago(lastScanAtMs)} ago`}`,
    );
  }
  for (const { path, sentBytes, sizeBytes } of status.active.slice(0, 10)) {
    lines.push(`sending   ${path} ${formatBytes(sentBytes)} of ${formatBytes(sizeBytes)}`);
  }
  for (const { scope, message, nextProbeInSeconds } of status.refusals) {
    lines.push(`REFUSED   ${scope}: ${message} (tried again in ${formatSeconds(nextProbeInSeconds)}; nothing is lost)`);
  }
  const { files, worst } = status.retrying;
  if (worst !== undefined)
    lines.push(
      `RETRYING  ${files} ${files === 1 ? 'file' : 'files'}; ${worst.path} failed ${worst.failures} times: ${worst.message}`,
    );
  for (const problem of [...status.outboxes.flatMap(({ problems }) => problems), ...status.warnings])
    lines.push(`LOOK      ${problem}`);
  if (uploads.failed > 0) lines.push('LOOK      courier ls --state failed tells which files failed and why');
  return lines.join('\n');
}
