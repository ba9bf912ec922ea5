import { UsageError } from '../domain/errors';
import type { ControlRequest, DeliveryEvent, StatusDocument, UploadDetails, UploadSummary } from './protocol';

/** What may be asked for. */
export interface ControlSources {
  status(): StatusDocument;
  /** Newest first. */
  list(state: State | undefined, before: number, limit: number): UploadSummary[];
  find(id: number): UploadDetails | undefined;
  /** Resolves when the file is delivered. @throws UsageError */
  awaitDelivery(path: string, signal: AbortSignal): Promise<UploadSummary>;
  /** Of these objects, or of the whole inbox. @throws UsageError */
  pull(keys: readonly string[]): Promise<{ readonly refused: readonly string[] }>;
  /** As they come, until the signal aborts. */
  events(signal: AbortSignal): AsyncIterable<DeliveryEvent>;
}

const STATES = ['queued', 'uploading', 'failed', 'superseded', 'done'] as const;
type State = (typeof STATES)[number];
const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 100;

/** @returns the answer, a promise of it, or answers that go on @throws UsageError */
export function answerControl(request: ControlRequest, sources: ControlSources, signal: AbortSignal): unknown {
  switch (request.command) {
    case 'status':
      return sources.status();
    case 'ls': {
      const { before = Number.MAX_SAFE_INTEGER, limit = DEFAULT_LIMIT } = request;
      const state = STATES.find((name) => name === request.state);
      if (request.state !== undefined && state === undefined)
        throw new UsageError(`no state "${request.state}"; there are ${STATES.join(', ')}`);
      if (!Number.isSafeInteger(before) || !Number.isSafeInteger(limit) || limit < 1)
        throw new UsageError('a number is expected; see courier --help');
      return sources.list(state, before, Math.min(limit, MAX_LIMIT));
    }
    case 'show': {
      const found = Number.isSafeInteger(request.id) ? sources.find(request.id) : undefined;
      if (found === undefined) throw new UsageError(`no upload ${request.id}; courier ls lists them`);
      return found;
    }
    case 'wait':
      if (typeof request.path !== 'string' || !request.path.startsWith('/'))
        throw new UsageError('the absolute path of a file is expected; see courier --help');
      return sources.awaitDelivery(request.path, signal);
    case 'pull':
      if (!Array.isArray(request.keys) || !request.keys.every((key) => typeof key === 'string' && key !== ''))
        throw new UsageError('keys of objects are expected; see courier --help');
      return sources.pull(request.keys);
    case 'events':
      return sources.events(signal);
    default:
      throw new UsageError(`no such command; this daemon knows status, ls, show, wait, pull and events`);
  }
}
