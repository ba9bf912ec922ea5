import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock';
import { TransferError } from '../domain/errors';
import type { Bus } from '../messages/bus';
import { isObject } from './job-execution';

/** What AWS IoT answers instead of doing what was asked. */
export interface Rejection {
  /** InvalidTopic InvalidJson InvalidRequest InvalidStateTransition ResourceNotFound VersionMismatch InternalError RequestThrottled TerminalStateReached */
  readonly code: string;
  readonly message: string;
  readonly executionState: unknown;
}

export type Answer = { readonly accepted: Readonly<Record<string, unknown>> } | { readonly rejected: Rejection };

interface Pending {
  readonly tail: string;
  readonly clientToken: string;
  readonly resolve: (answer: Answer) => void;
  readonly giveUp: () => void;
}

/** There and back over a satellite, through two queues. */
const ANSWER_WITHIN_MS = 30_000;

/** Asks AWS IoT Jobs over MQTT, one request at a time; an answer is known by its client token. */
export class JobRequests {
  readonly prefix: string;
  #pending: Pending | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly bus: Bus,
    thing: string,
    private readonly clock: Clock,
    /** The answer's own time, Unix seconds. */
    private readonly onTimestamp: (seconds: number) => void,
  ) {
    this.prefix = `$aws/things/${thing}/jobs/`;
  }

  /**
   * @param tail of the topic: `get`, `start-next`, `<jobId>/get`, `<jobId>/update`
   * @throws TransferError BUS_UNAVAILABLE, MESSAGE_DENIED, NO_ANSWER, STOPPING
   */
  ask(tail: string, body: object, signal: AbortSignal): Promise<Answer> {
    const turn = this.#last.then(() => this.#ask(tail, body, signal));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** There is a new connection: what was asked over the one before will not be answered. */
  giveUp(): void {
    this.#pending?.giveUp();
  }

  /** A message on one of the topics of answers. */
  take(topic: string, payload: Buffer): void {
    const end = /^(.+)\/(accepted|rejected)$/.exec(topic.slice(this.prefix.length));
    const value = parseJson(payload);
    const pending = this.#pending;
    if (end === null || value === undefined || pending === undefined) return;
    // An answer to what could not be read carries no token; only one request is under way.
    const isOurs =
      value.clientToken === pending.clientToken || (value.clientToken === undefined && end[1] === pending.tail);
    if (!isOurs) return;
    if (typeof value.timestamp === 'number') this.onTimestamp(value.timestamp);
    if (end[2] === 'accepted') pending.resolve({ accepted: value });
    else {
      const { code, message, executionState } = value;
      pending.resolve({ rejected: { code: String(code ?? ''), message: String(message ?? ''), executionState } });
    }
  }

  async #ask(tail: string, body: object, signal: AbortSignal): Promise<Answer> {
    if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
    const clientToken = randomUUID();
    const over = new AbortController();
    let answer: Answer | undefined;
    this.#pending = {
      tail,
      clientToken,
      resolve: (one) => {
        answer = one;
        over.abort();
      },
      giveUp: () => over.abort(),
    };
    const onAbort = (): void => over.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await this.bus.publish(this.prefix + tail, Buffer.from(JSON.stringify({ ...body, clientToken })), {
        isFleeting: true, // after an answer's time nobody waits for it
      });
      if (!over.signal.aborted && !signal.aborted) await this.clock.sleep(ANSWER_WITHIN_MS, over.signal);
    } finally {
      this.#pending = undefined;
      signal.removeEventListener('abort', onAbort);
    }
    if (answer !== undefined) return answer;
    if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
    throw new TransferError('NO_ANSWER', `no answer to ${this.prefix}${tail}`);
  }
}

function parseJson(payload: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
