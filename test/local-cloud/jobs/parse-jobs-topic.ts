export type JobsOperation =
  | 'GetPendingJobExecutions'
  | 'StartNextPendingJobExecution'
  | 'DescribeJobExecution'
  | 'UpdateJobExecution';

export interface JobsTopic {
  readonly thing: string;
  /** absent: the topic stands for no operation */
  readonly operation?: JobsOperation;
  /** `$next` with DescribeJobExecution */
  readonly jobId?: string;
}

/** undefined for a topic that is none of the service's. */
export function parseJobsTopic(topic: string): JobsTopic | undefined {
  const [, thing, rest] = /^\$aws\/things\/([^/]+)\/jobs\/(.*)$/s.exec(topic) ?? [];
  if (thing === undefined || rest === undefined) return undefined;
  if (rest === 'get') return { thing, operation: 'GetPendingJobExecutions' };
  if (rest === 'start-next') return { thing, operation: 'StartNextPendingJobExecution' };
  const [, jobId, verb] = /^([^/]+)\/(get|update)$/.exec(rest) ?? [];
  if (jobId === undefined) return { thing };
  if (verb === 'get') return { thing, operation: 'DescribeJobExecution', jobId };
  return jobId === '$next' ? { thing } : { thing, operation: 'UpdateJobExecution', jobId };
}
