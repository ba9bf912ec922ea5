import { TransferError } from '../domain/errors';
import type { Log } from '../log';
import { findExecutionState, hasEnded } from './job-execution';
import type { JobRequests, Rejection } from './job-requests';
import type { Job } from './jobs-table';
import type { StatusDetails } from './status-details';
import type { JobEnd } from './transitions';

/** `over`: the cloud has ended it, and takes no word of it any more; `why` as it says so. */
export type Told = { readonly version: number } | { readonly over: string };

const MAX_REBASES = 5;

/** Tells AWS IoT how an execution stands. */
export class JobReports {
  constructor(
    private readonly requests: JobRequests,
    private readonly log: Log,
  ) {}

  /**
   * @param version that we know; when it has moved on without being ended, it is taken up
   * @throws TransferError BUS_UNAVAILABLE (throttled, or AWS's own failure, too), NO_ANSWER, MESSAGE_DENIED, STOPPING
   */
  async tell(
    { jobId, executionNumber }: Pick<Job, 'jobId' | 'executionNumber'>,
    status: JobEnd | 'IN_PROGRESS',
    details: StatusDetails,
    version: number,
    signal: AbortSignal,
  ): Promise<Told> {
    let expectedVersion = version;
    let statusDetails: StatusDetails | undefined = Object.keys(details).length === 0 ? undefined : details;
    for (let rebases = 0; ; ) {
      const answer = await this.requests.ask(
        `${jobId}/update`,
        {
          status,
          expectedVersion,
          executionNumber,
          includeJobExecutionState: true,
          ...(statusDetails && { statusDetails }),
        },
        signal,
      );
      if ('accepted' in answer) {
        const state = findExecutionState({ status, ...Object(answer.accepted.executionState) });
        return { version: state?.versionNumber ?? expectedVersion + 1 };
      }
      const { rejected } = answer;
      const state = findExecutionState(rejected.executionState);
      if (state !== undefined && hasEnded(state.status)) return { over: state.status };
      switch (rejected.code) {
        case 'VersionMismatch':
          if (state === undefined || ++rebases > MAX_REBASES) throw notTaken(rejected);
          expectedVersion = state.versionNumber;
          break;
        case 'InvalidStateTransition':
        case 'TerminalStateReached':
        case 'ResourceNotFound':
          return { over: rejected.code };
        case 'InvalidRequest':
        case 'InvalidJson':
        case 'InvalidTopic':
          this.log.error({ job: jobId, code: rejected.code, reason: rejected.message }, 'a report of a job is refused');
          if (statusDetails === undefined) return { over: rejected.code };
          statusDetails = undefined; // bare, it may be taken: the status is what counts
          break;
        default: // RequestThrottled, InternalError, and what nobody foresaw
          throw notTaken(rejected);
      }
    }
  }
}

export const notTaken = ({ code, message }: Rejection): TransferError =>
  new TransferError('BUS_UNAVAILABLE', `AWS IoT Jobs answers ${code}: ${message}`);
