import { join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { presentStatus } from '../../src/cli/status';
import type { StatusDocument, UploadSummary } from '../../src/control/protocol';
import { formatBytes } from '../../src/domain/format-bytes';
import { compareOwnFile } from './compare-own-file';
import { compareUploads } from './compare-uploads';
import { DeliveryWatch } from './delivery-watch';
import { DemoFailure } from './demo-failure';
import { type DemoFile, dropDemoFiles, writeDemoFiles } from './demo-files';
import type { DemoReport } from './demo-report';
import type { DemoSite } from './demo-site';
import type { ProgressScreen } from './progress-screen';
import { showInbox } from './show-inbox';
import { showJob } from './show-job';

export interface DemoRun {
  readonly site: DemoSite;
  readonly screen: ProgressScreen;
  readonly report: DemoReport;
  /** Do not stay up. */
  readonly once: boolean;
  /** On performance.now()'s clock: until when the demo's files must be delivered. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

const COURIER = relative(process.cwd(), resolve(__dirname, '../../dist/courier.js'));
const IDLE_MS = 300;

/** Drops files, watches them go, compares what arrived, and stays up for more. @throws DemoFailure */
export async function runDemo(run: DemoRun): Promise<void> {
  const { site, screen, report, signal } = run;
  const { cloud, device } = site;
  screen.say(`everything is in ${site.root}`);
  screen.say(`local cloud: S3 ${cloud.s3Endpoint}, credentials https://${cloud.credentialsEndpoint}`);
  const staging = join(site.root, 'staging');
  const files = await writeDemoFiles(staging);
  device.start();
  await untilFirstStatus(run);
  dropDemoFiles(files, staging, device.outbox);
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  screen.say(`device ${device.thing} (pid ${device.pid}): ${files.length} files, ${formatBytes(bytes)}, dropped into`);
  screen.say(`  ${device.outbox}`);

  const deliveries = new DeliveryWatch(site);
  const ended: UploadSummary[] = [];
  const startedMs = performance.now();
  // A failure is told after what did arrive.
  const failure = await untilEnded(run, files, deliveries, ended).catch((error: unknown) => ({ error }));
  if (failure !== undefined && signal.aborted) throw failure.error;
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const done = failure === undefined ? 'all delivered after' : 'given up after';
  screen.say(`${done} ${seconds} s; comparing SHA-256 in S3 with what was dropped`);
  await compareUploads(site, files, ended, report, (line) => screen.say(line));
  if (failure !== undefined) throw failure.error;
  await tellCredentials(run);
  if (site.source !== 'mqtt-token') {
    screen.say('now the other way: objects in the inbox, a message to the device');
    await showInbox(site, report, (line) => screen.say(line), run.deadlineMs, signal);
  }
  screen.say('and an IoT Job: a file by a URL that expires half way');
  await showJob(site, report, (line) => screen.say(line), run.deadlineMs, signal);
  const { uploaded, failed, mismatched, pulled } = report.counts;
  screen.say(`${uploaded} uploaded, ${failed} failed, ${mismatched} mismatched, ${pulled} pulled and archived`);
  if (run.once) return;
  for (const problem of report.problems) screen.say(`demo: ${problem}`);
  screen.say(invitation(site));
  const isOwn = (upload: UploadSummary): boolean => !files.some(({ path }) => path === upload.path);
  for (const upload of ended.filter(isOwn)) await tellDelivery(run, upload);
  await followDeliveries(run, deliveries);
}

/** Where the daemon says that its credentials come from, and what it does without. */
async function tellCredentials({ site, screen, report, signal }: DemoRun): Promise<void> {
  const status = await site.findStatus(signal);
  const source = status?.credentials.source;
  screen.say(`credentials came from ${source}`);
  for (const { action, cost } of status?.missing ?? []) screen.say(`  without ${action}: ${cost}`);
  if (source !== site.source) report.problems.push(`credentials were to come from ${site.source}, not from ${source}`);
}

async function untilFirstStatus({ site, deadlineMs, signal }: DemoRun): Promise<void> {
  while ((await site.findStatus(signal)) === undefined) {
    assertNotInterrupted(signal);
    if (performance.now() > deadlineMs)
      throw new DemoFailure(`the daemon did not answer in time; its last output:\n${site.lastOutput}`);
    await delay(20);
  }
}

/**
 * @param ended is given what ends: the demo's files, and those a person was quick to add
 * @throws DemoFailure when they do not end in time
 */
async function untilEnded(
  { site, screen, deadlineMs, signal }: DemoRun,
  files: readonly DemoFile[],
  deliveries: DeliveryWatch,
  ended: UploadSummary[],
): Promise<undefined> {
  const missing = new Set(files.map(({ path }) => path));
  for (;;) {
    const status = await site.findStatus(signal);
    assertNotInterrupted(signal);
    if (status !== undefined) {
      screen.show(status, { done: 0, doneBytes: 0 });
      const fresh = await deliveries.next(status).catch(() => []); // its death is seen at the next look
      for (const upload of fresh) missing.delete(upload.path);
      ended.push(...fresh);
      if (missing.size === 0) return;
    }
    if (performance.now() > deadlineMs) throw new DemoFailure(explainLate(missing.size, site, status));
    await delay(screen.frameMs, undefined, { signal }).catch(() => undefined);
  }
}

/** A line for each delivered file, until the signal. @throws DemoFailure when the daemon dies */
async function followDeliveries(run: DemoRun, deliveries: DeliveryWatch): Promise<void> {
  const { site, screen, signal } = run;
  let since = { done: 0, doneBytes: 0 };
  while (!signal.aborted) {
    const status = await site.findStatus(signal);
    if (status !== undefined) {
      const isIdle = status.uploads.queued + status.uploads.uploading === 0;
      if (isIdle) since = status.uploads;
      screen.show(status, since);
      for (const upload of await deliveries.next(status).catch(() => [])) {
        if (signal.aborted) return;
        await tellDelivery(run, upload);
      }
    }
    const busy = status !== undefined && status.active.length > 0;
    await delay(busy ? screen.frameMs : IDLE_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function tellDelivery({ site, screen, report }: DemoRun, upload: UploadSummary): Promise<void> {
  const { key, sizeBytes, state, message, path } = upload;
  if (state === 'failed') {
    screen.say(`given up   ${path}: ${message}`);
    report.counts.failed += 1;
    report.problems.push(`${path} was given up: ${message}`);
    return;
  }
  const delivered = `delivered  ${key}  ${formatBytes(sizeBytes)}`;
  const comparison = await compareOwnFile(site, upload);
  switch (comparison) {
    case 'equal':
      screen.say(`${delivered}  SHA-256 equal`);
      break;
    case 'gone':
      screen.say(`${delivered}  and deleted here since, nothing to compare with`);
      break;
    case 'written since':
      screen.say(`${delivered}  the source was written since, its new version follows`);
      break;
    case 'differs':
      screen.say(`${delivered}  SHA-256 DIFFERS`);
      report.counts.mismatched += 1;
      report.problems.push(`${key} in S3 is not what was sent`);
      break;
    default:
      comparison satisfies never;
  }
}

function assertNotInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new DemoFailure('interrupted before all files were delivered and compared');
}

function explainLate(missing: number, { lastOutput }: DemoSite, status: StatusDocument | undefined): string {
  const said = status === undefined ? 'the daemon does not answer' : `the daemon says:\n${presentStatus(status)}`;
  return `not done in time, ${missing} files are missing; ${said}\nand its last output:\n${lastOutput}`;
}

function invitation(site: DemoSite): string {
  const { device, root } = site;
  const comesDown =
    site.source === 'mqtt-token'
      ? ''
      : `  put objects under ${device.thing}/inbox/ in S3; they land in ${site.inbox}\n`;
  return `
It stays up for your own files. Ctrl-C stops everything and removes the folder.
A file is moved out of the outbox when it has not changed for a second, and deleted some seconds after its delivery;
names that begin with a dot or end with .tmp or .part are left alone.
  drop files into   ${device.outbox}
${comesDown}  ask the daemon    node ${COURIER} status --state-dir ${device.stateDir}
  read its log      ${site.logFile}
  list the objects  (. ${site.writeAwsEnv()} && aws s3 ls --recursive s3://${device.bucket})
  on disk they are  ${join(root, 'cloud/s3/blobs')}
  under keys as in  ${join(root, 'cloud/s3/journal.jsonl')}
`;
}
