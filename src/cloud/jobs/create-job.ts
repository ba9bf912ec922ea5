import {
  CreateJobCommand,
  DescribeJobCommand,
  GetJobDocumentCommand,
  type IoTClient,
  type Job,
} from '@aws-sdk/client-iot';
import { unlessMissing } from '../account/unless-missing';
import { CloudError } from '../cloud-error';
import type { JobPlan } from './job-plan';

/** Makes the job, unless it is there: our own answer may have been lost. @returns whether it was made @throws CloudError when there is another of its id */
export async function createJob(iot: IoTClient, plan: JobPlan): Promise<boolean> {
  const { id: jobId, targets, document, presignedUrlConfig } = plan;
  try {
    await iot.send(
      new CreateJobCommand({ jobId, targets: [...targets], targetSelection: 'SNAPSHOT', document, presignedUrlConfig }),
    );
    return true;
  } catch (error) {
    const { name, message } = error as Error;
    if (name === 'ResourceAlreadyExistsException' && (await isMade(iot, plan))) return false;
    if (name === 'LimitExceededException')
      throw new CloudError(`AWS IoT takes no further job now (${message}); see aws iot list-jobs --status IN_PROGRESS`);
    if (name === 'InvalidRequestException')
      throw new CloudError(
        `AWS IoT does not take the job (${message.replace(/\.$/, '')}); see whether ${presignedUrlConfig.roleArn} is there and trusts iot.amazonaws.com: deploy the stack again if not`,
      );
    throw error;
  }
}

/** @throws CloudError when there is another of its id, whose objects are not to be replaced */
export async function isMade(iot: IoTClient, plan: JobPlan): Promise<boolean> {
  const job = await findJob(iot, plan.id);
  if (job === undefined) return false;
  const { document } = await iot.send(new GetJobDocumentCommand({ jobId: plan.id, beforeSubstitution: true }));
  const difference = findDifference(plan, job, document);
  if (difference === undefined) return true;
  throw new CloudError(
    `there is a job ${plan.id} already, with ${difference}; give this one another --id, or see aws iot get-job-document --job-id ${plan.id}`,
  );
}

export const findJob = async (iot: IoTClient, jobId: string): Promise<Job | undefined> =>
  (await unlessMissing(iot.send(new DescribeJobCommand({ jobId }))))?.job;

function findDifference(plan: JobPlan, job: Job, document: string | undefined): string | undefined {
  const sorted = (targets: readonly string[] = []): string => [...targets].sort().join(' ');
  if (document !== undefined && normalized(document) !== normalized(plan.document)) return 'another document';
  if (sorted(job.targets) !== sorted(plan.targets)) return 'other targets';
  return undefined;
}

function normalized(document: string): string {
  try {
    return JSON.stringify(JSON.parse(document));
  } catch {
    return document;
  }
}
