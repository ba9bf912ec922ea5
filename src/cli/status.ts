import type { StatusDocument } from '../control/protocol';
import { formatBytes } from '../domain/format-bytes';
import { formatSeconds } from './format';

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
  for (const { source, inUse, reason, againInSeconds } of credentials.sources)
    if (reason !== undefined && !inUse)
      lines.push(`          instead of ${source}: ${reason} (tried again in ${formatSeconds(againInSeconds ?? 0)})`);
  if (status.clockOffsetSeconds !== 0)
    lines.push(
      `clock     differs from the cloud's by ${formatSeconds(Math.abs(status.clockOffsetSeconds))}, corrected; set it right`,
    );
  for (const outbox of status.outboxes) {
    const { path, files, held, odd, restless, lastScanAtMs, spool } = outbox;
    const facts = [
      `${files} files`,
      ...(held > 0 ? [`${held} of them still open for writing`] : []),
      ...(odd.count > 0 ? [`${odd.count} left: ${odd.examples.slice(0, 3).join(', ')}`] : []),
      ...(restless > 0 ? [`${restless} written to after they were claimed`] : []),
      spool === undefined ? 'sent from where they lie' : `spool ${spool}`,
      ...(lastScanAtMs === undefined ? [] : [`looked at ${ago(lastScanAtMs)} ago`]),
    ];
    lines.push(`outbox    ${path}: ${facts.join(', ')}`);
  }
  for (const { path, sentBytes, sizeBytes } of status.active.slice(0, 10)) {
    lines.push(`sending   ${path} ${formatBytes(sentBytes)} of ${formatBytes(sizeBytes)}`);
  }
  for (const { scope, message, nextProbeInSeconds } of status.refusals) {
    lines.push(`REFUSED   ${scope}: ${message} (tried again in ${formatSeconds(nextProbeInSeconds)}; nothing is lost)`);
  }
  for (const { action, cost } of status.missing) lines.push(`without   ${action}: ${cost}`);
  const { files, worst } = status.retrying;
  if (worst !== undefined)
    lines.push(
      `RETRYING  ${files} ${files === 1 ? 'file' : 'files'}; ${worst.path} failed ${worst.failures} times: ${worst.message}`,
    );
  const { messages, inbox, jobs, mqtt } = status;
  if (inbox !== undefined) {
    const looked = inbox.lastLookAtMs === undefined ? '' : `, looked through ${ago(inbox.lastLookAtMs)} ago`;
    lines.push(`inbox     ${inbox.folder}: ${inbox.open} on their way, ${inbox.failed} failed${looked}`);
  }
  if (jobs !== undefined) lines.push(...jobLines(jobs));
  if (mqtt !== undefined)
    lines.push(
      mqtt.state === 'connected'
        ? `mqtt      connected for ${ago(mqtt.sinceMs)}`
        : `mqtt      ${mqtt.state} for ${ago(mqtt.sinceMs)}${mqtt.reason === undefined ? '' : `: ${mqtt.reason}`}`,
    );
  if (messages !== undefined && messages.stored + messages.dropped > 0)
    lines.push(`messages  ${messages.stored} waiting${messages.dropped > 0 ? `, ${messages.dropped} dropped` : ''}`);
  const denied = new Set([...(messages?.problems ?? []), ...(mqtt?.problems ?? [])]); // told by both
  const problems = [
    ...status.outboxes.flatMap((outbox) => outbox.problems),
    ...(inbox?.problems ?? []),
    ...(jobs?.problems ?? []),
    ...denied,
  ];
  for (const problem of [...problems, ...status.warnings]) lines.push(`LOOK      ${problem}`);
  if (uploads.failed > 0) lines.push('LOOK      courier ls --state failed tells which files failed and why');
  return lines.join('\n');
}

function* jobLines({ current, ended, unreported }: NonNullable<StatusDocument['jobs']>): Generator<string> {
  if (current !== undefined) {
    const { jobId, percent, waitingFor } = current;
    yield `job       ${jobId}: ${percent} %${waitingFor === undefined ? '' : `, waiting: ${waitingFor}`}`;
  } else yield `jobs      none now${unreported > 0 ? `, ${unreported} ended and not yet told` : ''}`;
  for (const { jobId, outcome, reason } of ended.slice(0, 3))
    yield `          ${jobId}: ${outcome}${reason === undefined ? '' : `, ${reason}`}`;
}
