import type { Clock } from '../clock';
import { TransferError } from '../domain/errors';
import type { Log } from '../log';
import { findExecutionState, hasEnded } from './job-execution';
import type { JobRequests, Rejection } from './job-requests';
import type { Job } from './jobs-table';
import type { StatusDetails } from './status-details';
import type { JobEnd } from './transitions';

/** The execution told of. */
type Subject = Pick<Job, 'jobId' | 'executionNumber' | 'queuedAt'>;

const MAX_REBASES = 5;
const SAY_AGAIN_MS = 3_600_000;

/** Tells AWS IoT how an execution stands. */
export class JobReports {
  /** Of the one that was told of last, as the cloud counts: each report would begin with an old one else. */
  #latest: (Subject & { readonly version: number }) | undefined;

  #said: { readonly text: string; readonly atMs: number } | undefined;

  constructor(
    private readonly requests: JobRequests,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * @param version when it was taken up; where it has moved on without being ended, that is gone by
   * @returns why the cloud takes no word of it any more, as it says so
   * @throws TransferError BUS_UNAVAILABLE (throttled, or AWS's own failure, too), NO_ANSWER, MESSAGE_DENIED, STOPPING
   */
  async tell(
    subject: Subject,
    status: JobEnd | 'IN_PROGRESS',
    details: StatusDetails,
    version: number,
    signal: AbortSignal,
  ): Promise<{ readonly over: string } | undefined> {
    const { jobId, executionNumber } = subject;
    let expectedVersion = Math.max(version, this.#versionOf(subject));
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
        this.#keep(subject, state?.versionNumber ?? expectedVersion + 1);
        return undefined;
      }
      const { rejected } = answer;
      const state = findExecutionState(rejected.executionState);
      if (state !== undefined && hasEnded(state.status)) return { over: state.status };
      switch (rejected.code) {
        case 'VersionMismatch':
          if (state === undefined || ++rebases > MAX_REBASES) throw notTaken(rejected);
          expectedVersion = state.versionNumber;
          this.#keep(subject, expectedVersion);
          break;
        case 'InvalidStateTransition':
        case 'TerminalStateReached':
        case 'ResourceNotFound':
          return { over: rejected.code };
        case 'InvalidRequest':
        case 'InvalidJson':
        case 'InvalidTopic':
          this.#sayRefused(jobId, rejected);
          if (statusDetails === undefined) return { over: rejected.code };
          statusDetails = undefined; // bare, it may be taken: the status is what counts
          break;
        default: // RequestThrottled, InternalError, and what nobody foresaw
          throw notTaken(rejected);
      }
    }
  }

  /** The cloud may go on handing out what it takes no report of. */
  #sayRefused(jobId: string, { code, message }: Rejection): void {
    const nowMs = this.clock.monotonicMs();
    const text = `${jobId} ${code}`;
    if (text === this.#said?.text && nowMs < this.#said.atMs + SAY_AGAIN_MS) return;
    this.#said = { text, atMs: nowMs };
    this.log.error({ job: jobId, code, reason: message }, 'a report of a job is refused');
  }

  #versionOf({ jobId, executionNumber, queuedAt }: Subject): number {
    const latest = this.#latest;
    const isIt = latest?.jobId === jobId && latest.executionNumber === executionNumber && latest.queuedAt === queuedAt;
    return isIt ? latest.version : 0;
  }

  #keep({ jobId, executionNumber, queuedAt }: Subject, version: number): void {
    this.#latest = { jobId, executionNumber, queuedAt, version };
  }
}

export const notTaken = ({ code, message }: Rejection): TransferError =>
  new TransferError('BUS_UNAVAILABLE', `AWS IoT Jobs answers ${code}: ${message}`);
