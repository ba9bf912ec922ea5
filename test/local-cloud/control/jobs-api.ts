import type { Account } from '../account';
import type { JobsControl } from '../jobs/jobs-control';
import { JobsControlError } from '../jobs/jobs-control-error';
import { ControlError, notFound } from './control-error';
import type { ApiRequest, ApiRoute } from './iot-api';

const STATUS_OF: Readonly<Record<JobsControlError['name'], number>> = {
  InvalidRequestException: 400,
  InvalidStateTransitionException: 409,
  ResourceAlreadyExistsException: 409,
  ResourceNotFoundException: 404,
  VersionConflictException: 409,
};
const DEFAULT_PAGE = 50;

/** The requests of AWS IoT Jobs' control plane that operators make. https://docs.aws.amazon.com/iot/latest/apireference/ */
export function jobsRoutes(jobs: JobsControl, account: Account, isDenied: (action: string) => boolean): ApiRoute[] {
  const route = (method: string, path: string, action: string, answer: ApiRoute['answer']): ApiRoute => ({
    method,
    path,
    action: `iot:${action}`,
    answer: async (...request) => {
      try {
        return await answer(...request);
      } catch (error) {
        throw error instanceof JobsControlError
          ? new ControlError(STATUS_OF[error.name], error.name, error.message)
          : error;
      }
    },
  });
  const arn = (resource: string): string => `arn:aws:iot:${account.region}:${account.accountId}:${resource}`;
  return [
    route('GET', '/thing-groups/:group', 'DescribeThingGroup', ({ group }) => {
      if (account.findThingGroup(group!) === undefined) throw notFound(`Thing group ${group}`);
      return { thingGroupName: group, thingGroupArn: arn(`thinggroup/${group}`) };
    }),
    route('PUT', '/jobs/:jobId', 'CreateJob', ({ jobId }, { body }) => {
      const { targets, document, presignedUrlConfig, targetSelection } = body as {
        targets: string[];
        document: string;
        presignedUrlConfig?: { roleArn: string; expiresInSec: number };
        targetSelection?: string;
      };
      if (targetSelection !== undefined && targetSelection !== 'SNAPSHOT')
        throw new ControlError(400, 'InvalidRequestException', `${targetSelection} is not implemented here`);
      if (presignedUrlConfig !== undefined && isDenied('iam:PassRole'))
        throw new ControlError(
          403,
          'AccessDeniedException',
          `User: arn:aws:iam::${account.accountId}:user/operator is not authorized to perform: iam:PassRole on resource: ${presignedUrlConfig.roleArn} because no identity-based policy allows the iam:PassRole action`,
        );
      return jobs.createJob({
        jobId: jobId!,
        targets,
        document,
        ...(presignedUrlConfig === undefined ? {} : { presignedUrlConfig }),
      });
    }),
    route('GET', '/jobs/:jobId', 'DescribeJob', ({ jobId }) => {
      const { status, targets, executions, createdAtMs, presign } = jobs.describeJob(jobId!);
      return {
        job: {
          jobId,
          jobArn: arn(`job/${jobId}`),
          targets,
          status,
          targetSelection: 'SNAPSHOT',
          createdAt: createdAtMs / 1000,
          presignedUrlConfig:
            presign === undefined ? {} : { roleArn: presign.roleArn, expiresInSec: presign.expiresSeconds },
          jobProcessDetails: {
            numberOfCanceledThings: executions.CANCELED ?? 0,
            numberOfSucceededThings: executions.SUCCEEDED ?? 0,
            numberOfFailedThings: executions.FAILED ?? 0,
            numberOfRejectedThings: executions.REJECTED ?? 0,
            numberOfQueuedThings: executions.QUEUED ?? 0,
            numberOfInProgressThings: executions.IN_PROGRESS ?? 0,
            numberOfRemovedThings: executions.REMOVED ?? 0,
            numberOfTimedOutThings: executions.TIMED_OUT ?? 0,
          },
        },
      };
    }),
    route('GET', '/jobs/:jobId/job-document', 'GetJobDocument', ({ jobId }) => ({
      document: jobs.describeJob(jobId!).document,
    })),
    route('GET', '/jobs/:jobId/things', 'ListJobExecutionsForJob', ({ jobId }, { query }: ApiRequest) => {
      const status = query.get('status');
      const all = jobs.listJobExecutions(jobId!).filter((each) => status === null || each.status === status);
      const from = Number(query.get('nextToken') ?? 0);
      const to = from + Number(query.get('maxResults') ?? DEFAULT_PAGE);
      return {
        executionSummaries: all.slice(from, to).map(({ thingName, status: one, queuedAt, lastUpdatedAt }) => ({
          thingArn: arn(`thing/${thingName}`),
          jobExecutionSummary: { status: one, queuedAt, lastUpdatedAt, executionNumber: 1 },
        })),
        ...(to < all.length ? { nextToken: String(to) } : {}),
      };
    }),
    route('GET', '/things/:thing/jobs/:jobId', 'DescribeJobExecution', ({ thing, jobId }) => {
      const { status, statusDetails, queuedAt, lastUpdatedAt } = jobs.describeJobExecution(jobId!, thing!);
      return {
        execution: {
          jobId,
          thingArn: arn(`thing/${thing}`),
          status,
          statusDetails: { detailsMap: statusDetails },
          queuedAt,
          lastUpdatedAt,
        },
      };
    }),
  ];
}
