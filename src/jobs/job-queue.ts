import { hasCode, TransferError } from '../domain/errors';
import { findExecution, hasEnded, type JobExecution } from './job-execution';
import { notTaken } from './job-reports';
import type { JobRequests, Rejection } from './job-requests';

/** How a document may come. Through a nucleus small messages pass, and a document may not be one. */
export type Route = 'direct' | 'nucleus';

export type FoundDocument = { readonly document: unknown } | { readonly over: string };

/** An execution that we are at. */
type Asked = Pick<JobExecution, 'jobId' | 'executionNumber' | 'queuedAt'>;

const MAX_UNANSWERED = 3;

/** Asks AWS IoT what is to be done. */
export class JobQueue {
  constructor(
    private readonly requests: JobRequests,
    readonly route: Route,
  ) {}

  /** Filters of what has to be heard. */
  get topics(): readonly string[] {
    // `notify-next` and what answers start-next carry the document.
    const own = this.route === 'direct' ? ['notify-next', 'start-next/+'] : [];
    return ['notify', ...own, '+/get/+', '+/update/+'].map((tail) => this.requests.prefix + tail);
  }

  /**
   * The execution that is in progress, else the next one, which is so from now on when asked directly.
   * @returns undefined when there is none @throws TransferError of the bus
   */
  async next(signal: AbortSignal): Promise<JobExecution | undefined> {
    const isDirect = this.route === 'direct';
    const answer = isDirect
      ? await this.requests.ask('start-next', {}, signal)
      : await this.requests.ask('$next/get', { includeJobDocument: false }, signal);
    if ('accepted' in answer) return findExecution(answer.accepted.execution);
    if (answer.rejected.code === 'ResourceNotFound') return undefined;
    throw notTaken(answer.rejected);
  }

  /** Whether the cloud still wants it. @returns why not */
  async findEnd(asked: Asked, signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#get(asked, false, signal);
    return 'over' in found ? found.over : undefined;
  }

  /**
   * The document, with fresh URLs.
   * @throws TransferError DOCUMENT_TOO_LARGE when it does not reach us, time after time, while smaller answers do; and those of the bus
   */
  async document(execution: Asked, signal: AbortSignal): Promise<FoundDocument> {
    for (let unanswered = 1; ; unanswered++) {
      try {
        return await this.#get(execution, true, signal);
      } catch (error) {
        if (this.route === 'direct' || !hasCode(error, 'NO_ANSWER')) throw error;
        // Which is small: it tells a message that is lost each time from a way that is not there.
        const end = await this.findEnd(execution, signal);
        if (end !== undefined) return { over: end };
        if (unanswered < MAX_UNANSWERED) continue;
        throw new TransferError(
          'DOCUMENT_TOO_LARGE',
          'document does not reach this nucleus (over 4.7 KB): name keys, not urls',
        );
      }
    }
  }

  async #get(asked: Asked, includeJobDocument: boolean, signal: AbortSignal): Promise<FoundDocument> {
    const { jobId, executionNumber, queuedAt } = asked;
    const answer = await this.requests.ask(`${jobId}/get`, { executionNumber, includeJobDocument }, signal);
    if ('rejected' in answer) return { over: overBy(answer.rejected) };
    const found = findExecution(answer.accepted.execution);
    if (found !== undefined && hasEnded(found.status)) return { over: found.status };
    // Deleted, and sent again by the same name.
    if (found !== undefined && (found.queuedAt !== queuedAt || found.status === 'QUEUED')) return { over: 'replaced' };
    return { document: found?.document };
  }
}

/** @returns that there is no such execution any more @throws TransferError for what says nothing of it */
function overBy(rejected: Rejection): string {
  if (rejected.code === 'ResourceNotFound' || rejected.code === 'TerminalStateReached') return rejected.code;
  throw notTaken(rejected);
}
