import {
  DescribeJobExecutionCommand,
  type IoTClient,
  type Job,
  type JobExecutionStatus,
  type JobProcessDetails,
  paginateListJobExecutionsForJob,
} from '@aws-sdk/client-iot';
import { CloudError } from '../cloud-error';
import { lookAgain } from '../look-again';
import type { Screen } from '../screen';
import { findJob } from './create-job';

export interface JobWatch {
  readonly jobId: string;
  readonly timeoutMs: number;
  /** As the operator has written it. */
  readonly timeout: string | undefined;
  readonly screen: Screen;
  /** Options for the same command, with a blank before each. */
  readonly again: string;
}

const ENDED: ReadonlySet<string> = new Set(['COMPLETED', 'CANCELED', 'DELETION_IN_PROGRESS']);
const WRONG = ['FAILED', 'REJECTED', 'TIMED_OUT', 'CANCELED', 'REMOVED'] as const satisfies JobExecutionStatus[];
/** Each costs a request. */
const TOLD_WITH_REASON = 25;

/** Until every thing has ended it. @throws CloudError when one did not take it, or the time is up */
export async function watchJob(iot: IoTClient, watch: JobWatch, signal: AbortSignal): Promise<void> {
  const { jobId, screen, timeoutMs } = watch;
  let state = '';
  const look = async (): Promise<Job | undefined> => {
    const job = await findJob(iot, jobId);
    if (job === undefined) throw new CloudError(`there is no job ${jobId}; see aws iot list-jobs`);
    const counts = countsOf(job.jobProcessDetails);
    state = describe(counts);
    screen.showState(counts.all === 0 ? 0 : counts.ended / counts.all, `${jobId}: ${state}`);
    return ENDED.has(job.status ?? '') ? job : undefined;
  };
  let job: Job | undefined;
  try {
    job = await lookAgain(look, timeoutMs, signal);
  } finally {
    screen.settle();
    screen.clear();
  }
  if (job === undefined)
    throw new CloudError(
      `the job ${jobId} has not ended after ${watch.timeout}: ${state}; it goes on. See courier status on the things, and watch on: courier cloud job --id ${jobId} --wait${watch.again}`,
    );
  const { all, succeeded } = countsOf(job.jobProcessDetails);
  if (job.status !== 'COMPLETED')
    throw new CloudError(
      `the job ${jobId} is ${job.status}: ${state}; things that had begun it may end it still. Another one: --id with a new id`,
    );
  if (all === 0)
    throw new CloudError(`the job ${jobId} has no things; put some into its group, and make another (--id)`);
  if (succeeded === all) return;
  await tellWrong(iot, jobId, screen);
  throw new CloudError(
    `${all - succeeded} of ${all} things have not taken the job ${jobId}; see courier status on them, then make another for them: --thing, and --id with a new id`,
  );
}

interface Counts {
  readonly all: number;
  readonly ended: number;
  readonly succeeded: number;
  readonly byName: readonly (readonly [string, number])[];
}

function countsOf(details: JobProcessDetails = {}): Counts {
  const succeeded = details.numberOfSucceededThings ?? 0;
  const open = [
    ['in progress', details.numberOfInProgressThings ?? 0],
    ['queued', details.numberOfQueuedThings ?? 0],
  ] as const;
  const wrong = [
    ['failed', details.numberOfFailedThings ?? 0],
    ['rejected', details.numberOfRejectedThings ?? 0],
    ['timed out', details.numberOfTimedOutThings ?? 0],
    ['canceled', details.numberOfCanceledThings ?? 0],
    ['removed', details.numberOfRemovedThings ?? 0],
  ] as const;
  const sum = (counts: readonly (readonly [string, number])[]): number => counts.reduce((all, [, one]) => all + one, 0);
  const ended = succeeded + sum(wrong);
  return { all: ended + sum(open), ended, succeeded, byName: [['succeeded', succeeded], ...wrong, ...open] };
}

function describe({ all, ended, byName }: Counts): string {
  const named = byName.filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
  return `${ended} of ${all} ended${named.length === 0 ? '' : ` (${named.join(', ')})`}`;
}

/** What each has said, of the first; of the rest that it is so. */
async function tellWrong(iot: IoTClient, jobId: string, { say }: Screen): Promise<void> {
  let left = TOLD_WITH_REASON;
  for (const status of WRONG)
    for await (const { executionSummaries = [] } of paginateListJobExecutionsForJob({ client: iot }, { jobId, status }))
      for (const { thingArn = '' } of executionSummaries) {
        const thing = thingArn.slice(thingArn.indexOf(':thing/') + ':thing/'.length);
        say(`${thing}: ${status}${left-- > 0 ? await findReason(iot, jobId, thing) : ''}`);
      }
}

async function findReason(iot: IoTClient, jobId: string, thingName: string): Promise<string> {
  const { execution } = await iot.send(new DescribeJobExecutionCommand({ jobId, thingName }));
  const { code, reason } = execution?.statusDetails?.detailsMap ?? {};
  const said = [code, reason].filter((text) => text !== undefined);
  // Devices write it: nothing of it is to move a cursor.
  return said.length === 0 ? '' : `, ${said.join(': ').replace(/\p{C}+/gu, ' ')}`;
}
