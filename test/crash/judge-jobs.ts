import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalCloud } from '../local-cloud/local-cloud';
import { filesOf } from './inbox-workload';
import type { SentJob } from './job-sender';

export interface JobsEvidence {
  /** In the order in which they were sent, which is the one in which they are done. */
  readonly jobs: readonly SentJob[];
  /** As the cloud has it. */
  readonly statusOf: (jobId: string) => string;
  /** The jobs', on the device. */
  readonly folder: string;
  readonly cloud: LocalCloud;
  readonly bucket: string;
}

/** At any moment at which nobody runs. @returns what the cloud knows to be done and is not, a line each */
export async function findUndone({ jobs, statusOf, folder, cloud, bucket }: JobsEvidence): Promise<string[]> {
  const problems: string[] = [];
  for (const [i, { jobId, files, objects }] of jobs.entries()) {
    if (statusOf(jobId) !== 'SUCCEEDED') continue;
    for (const [path, sha] of files) {
      const found = hashOf(join(folder, path));
      // A later one may have come over it.
      const isOurs = found === sha || jobs.slice(i + 1).some((later) => later.files.get(path) === found);
      if (found === undefined || !isOurs) problems.push(`${jobId} succeeded, and ${path} is ${found ?? 'not there'}`);
    }
    for (const [key, sha] of objects) {
      const found = cloud.findObject(bucket, key) && (await cloud.sha256(bucket, key));
      if (found !== sha) problems.push(`${jobId} succeeded, and ${key} is ${found ?? 'not there'}`);
    }
  }
  return problems;
}

/** Also in the middle of a landing. @returns files that are not what any job brought, a line each */
export function findAltered({ jobs, folder }: Pick<JobsEvidence, 'jobs' | 'folder'>): string[] {
  return filesOf(folder)
    .filter((path) => !path.includes('.courier-'))
    .flatMap((path) => {
      const sha = hashOf(join(folder, path));
      return jobs.some(({ files }) => files.get(path) === sha) ? [] : [`nobody's: ${path}`];
    });
}

/** When all is done. */
export async function findUnfinished(evidence: JobsEvidence, collected: string): Promise<string[]> {
  const { jobs, statusOf, folder, cloud, bucket } = evidence;
  const problems = [...(await findUndone(evidence)), ...findAltered(evidence)];
  for (const { jobId, mayEnd, files } of jobs) {
    const status = statusOf(jobId);
    if (!mayEnd.has(status)) problems.push(`${jobId} is ${status}, and should be ${[...mayEnd].join(' or ')}`);
    if (status === 'SUCCEEDED') continue;
    const own = [...files].filter(([path]) => jobs.filter((job) => job.files.has(path)).length === 1);
    const landed = own.filter(([path]) => hashOf(join(folder, path)) !== undefined);
    if (landed.length > 0 && landed.length < own.length)
      problems.push(`${jobId} is ${status}, and has landed ${landed.length} of ${own.length} files`);
  }
  for (const { key } of cloud.objects(bucket).filter((object) => object.key.startsWith('device00/jobs/')))
    if (!jobs.some(({ objects }) => objects.has(key))) problems.push(`nobody asked for ${key}`);
  for (const name of readdirSync(folder, { recursive: true }).map(String))
    if (name.includes('.courier-')) problems.push(`left behind: ${name}`);
  if (statSync(collected, { throwIfNoEntry: false }) !== undefined)
    for (const name of readdirSync(collected)) problems.push(`left behind: copies of job ${name}`);
  return problems;
}

function hashOf(file: string): string | undefined {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
