import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { adminS3 } from '../support/admin-s3';
import { urlPlaceholder } from '../support/url-placeholder';
import { DemoFailure } from './demo-failure';
import type { DemoReport } from './demo-report';
import type { DemoSite } from './demo-site';

const SIZE_BYTES = 6_000_000;
/** Long enough for a slow machine to begin with it: one that comes too late thrice ends the job. */
const URL_LIVES_SECONDS = 3;
const LOOK_MS = 50;

/**
 * Sends an IoT Job whose URL expires half way: the connection is cut, and stays so for as long as the URL lives. The
 * device asks for a fresh one, and goes on from its last byte.
 * @throws DemoFailure
 */
export async function showJob(
  site: DemoSite,
  { counts, problems }: DemoReport,
  say: (line: string) => void,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { cloud, device } = site;
  const content = randomBytes(SIZE_BYTES);
  const key = 'depot/firmware 2.0.bin';
  const s3 = adminS3(cloud);
  await s3.send(new PutObjectCommand({ Bucket: device.bucket, Key: key, Body: content })).finally(() => s3.destroy());
  const cut = cloud.faults.add({ kind: 'truncate', operation: 'GetObject', key });
  const down = cloud.faults.add({ kind: 'drop', operation: 'GetObject', key, count: Number.POSITIVE_INFINITY });
  const { jobId } = cloud.jobs.control.createJob({
    jobId: `demo-${randomUUID().slice(0, 8)}`,
    targets: [device.thing],
    document: { operation: 'install', url: urlPlaceholder({ bucket: device.bucket, key }) },
    presignedUrlConfig: { expiresInSec: URL_LIVES_SECONDS },
  });
  const look = () => cloud.jobs.control.describeJobExecution(jobId, device.thing);
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    while (!holds()) {
      if (signal.aborted) throw new DemoFailure('interrupted before the job was shown');
      if (performance.now() > deadlineMs)
        throw new DemoFailure(`${what} did not come in time; the daemon's last output:\n${site.lastOutput}`);
      await delay(LOOK_MS);
    }
  };
  await until('the job', () => cut.hits > 0);
  await delay(URL_LIVES_SECONDS * 1000 + LOOK_MS);
  down.remove();
  await until('the end of the job', () => !['QUEUED', 'IN_PROGRESS'].includes(look().status));
  const { status, statusDetails } = look();
  const sent = cloud.requests.filter(
    (each) => each.operation === 'GetObject' && each.key === key && each.status === 206,
  );
  const landed = await readFile(join(site.jobs, 'firmware 2.0.bin')).catch(() => undefined);
  if (status !== 'SUCCEEDED') problems.push(`the job ended ${status}: ${statusDetails.reason}`);
  else if (landed?.equals(content) !== true) problems.push(`what the job brought to ${site.jobs} is not what was sent`);
  else if (sent.length === 0) problems.push('the job did not go on from its last byte');
  else counts.jobsSucceeded += 1;
  say(`  ${status}  job ${jobId}: its URL expired half way, a fresh one brought the rest`);
}
