import { connect, type Socket } from 'node:net';
import type { Clock } from '../../clock';
import { IpcError, IpcRefused, IpcUnavailable } from './ipc-error';
import { MESSAGE_FLAG, MESSAGE_TYPE, WireConnection, type WireMessage } from './wire-connection';

/** What is heard of one call. */
interface Stream {
  readonly operation: string;
  readonly onMessage: (message: WireMessage) => void;
  readonly onLost: (error: IpcUnavailable) => void;
}

/** A nucleus under load takes seconds. */
export const ANSWER_WITHIN_MS = 10_000;
const VERSION = '0.1.0';
/** Of the connection itself. */
const CONTROL = 0;

/**
 * One connection to the nucleus's IPC, by AWS's event-stream RPC over a Unix socket. Written by hand because the SDK's
 * client was seen to abort the whole process in its native part when the nucleus went away, and leaves calls unanswered
 * for ever. https://github.com/awslabs/smithy, "Amazon Event Stream"; the wire is held to the SDK by test/nucleus.
 */
export class IpcClient {
  readonly #wire: WireConnection;
  readonly #streams = new Map<number, Stream>();
  #lastId = 0;
  #isClosed = false;
  readonly #closed: Promise<void>;

  private constructor(
    socket: Socket,
    private readonly clock: Clock,
    private readonly onUnanswered: () => void,
  ) {
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    this.#wire = new WireConnection(socket, {
      onMessage: (message) => this.#hear(message),
      onClosed: () => this.#end(),
    });
  }

  /** @param onUnanswered a call was given up @throws IpcRefused, IpcUnavailable */
  static async connect(
    path: string,
    authToken: string,
    clock: Clock,
    onUnanswered: () => void,
    signal: AbortSignal,
  ): Promise<IpcClient> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) => reject(new IpcUnavailable(`${cause.message}`, { cause })));
    });
    const client = new IpcClient(socket, clock, onUnanswered);
    try {
      await client.#introduce(authToken, signal);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Resolves when the connection has ended, by whomever. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  close(): void {
    this.#wire.destroy();
  }

  /** @throws IpcError, IpcUnavailable */
  async request<Response>(operation: string, request: object): Promise<Response> {
    const { id, response, isOver } = await this.#ask(operation, request, () => undefined);
    if (!isOver) this.#terminate(id);
    return response as Response;
  }

  /** @param onEnded by the nucleus @returns ends it @throws IpcError, IpcUnavailable */
  async subscribe<Event>(
    operation: string,
    request: object,
    onEvent: (event: Event) => void,
    onEnded: () => void,
  ): Promise<() => void> {
    let isOurs = true;
    const { id, isOver } = await this.#ask(operation, request, (message) => {
      if (!isOurs) return;
      if (message.type === MESSAGE_TYPE.application && message.body.length > 0) onEvent(parse(message) as Event);
      if (!isLast(message)) return;
      isOurs = false;
      onEnded();
    });
    if (isOver) throw new IpcUnavailable(`${operation}: ended as soon as it began`);
    return () => {
      if (!isOurs) return;
      isOurs = false;
      this.#terminate(id);
    };
  }

  /** @param onFurther told each message behind the first */
  async #ask(operation: string, request: object, onFurther: (message: WireMessage) => void) {
    if (this.#isClosed) throw new IpcUnavailable(`${operation}: the connection to the nucleus is lost`);
    const id = ++this.#lastId;
    const first = this.#firstOf(id, operation, onFurther);
    this.#wire.send({
      type: MESSAGE_TYPE.application,
      flags: 0,
      streamId: id,
      headers: {
        operation: `aws.greengrass#${operation}`,
        'service-model-type': `aws.greengrass#${operation}Request`,
        ':content-type': 'application/json',
      },
      body: Buffer.from(JSON.stringify(request)),
    });
    const message = await first;
    const isOver = isLast(message);
    if (message.type === MESSAGE_TYPE.application) return { id, response: parse(message), isOver };
    if (!isOver) this.#terminate(id);
    throw errorOf(operation, message);
  }

  /** The first message of a stream, in time. */
  async #firstOf(id: number, operation: string, onFurther: (message: WireMessage) => void): Promise<WireMessage> {
    const answered = new AbortController();
    let onMessage: (message: WireMessage) => void = onFurther;
    const first = new Promise<WireMessage>((resolve, reject) => {
      onMessage = (message) => {
        onMessage = onFurther;
        resolve(message);
      };
      this.#streams.set(id, { operation, onMessage: (message) => onMessage(message), onLost: reject });
    });
    const tooLate = this.clock.sleep(ANSWER_WITHIN_MS, answered.signal).then((): never | undefined => {
      if (answered.signal.aborted) return undefined;
      throw new IpcUnavailable(`${operation}: no answer from the nucleus within ${ANSWER_WITHIN_MS / 1000} s`);
    });
    try {
      return (await Promise.race([first, tooLate]))!;
    } catch (error) {
      if (this.#streams.delete(id) && !this.#isClosed) this.onUnanswered();
      throw error;
    } finally {
      answered.abort();
    }
  }

  async #introduce(authToken: string, signal: AbortSignal): Promise<void> {
    const give = (): void => this.close();
    signal.addEventListener('abort', give, { once: true });
    try {
      const first = this.#firstOf(CONTROL, 'Connect', () => undefined);
      this.#wire.send({
        type: MESSAGE_TYPE.connect,
        flags: 0,
        streamId: CONTROL,
        headers: { ':version': VERSION },
        body: Buffer.from(JSON.stringify({ authToken })),
      });
      const { type, flags } = await first;
      if (type !== MESSAGE_TYPE.connectAck || (flags & MESSAGE_FLAG.connectionAccepted) === 0)
        throw new IpcRefused('the nucleus turns us away');
    } catch (error) {
      // Taken by the socket, and cut off without a word: so a nucleus lite treats a token that it does not know.
      throw this.#isClosed && !signal.aborted ? new IpcRefused('the nucleus turns us away', { cause: error }) : error;
    } finally {
      signal.removeEventListener('abort', give);
      this.#streams.delete(CONTROL);
    }
  }

  #hear(message: WireMessage): void {
    if (message.type === MESSAGE_TYPE.ping) {
      this.#wire.send({ ...message, type: MESSAGE_TYPE.pingResponse, flags: 0 });
      return;
    }
    const stream = this.#streams.get(message.streamId);
    if (isLast(message)) this.#streams.delete(message.streamId);
    stream?.onMessage(message);
  }

  #terminate(id: number): void {
    if (!this.#streams.delete(id)) return;
    const nothing = { headers: {}, body: Buffer.alloc(0) };
    this.#wire.send({ type: MESSAGE_TYPE.application, flags: MESSAGE_FLAG.terminateStream, streamId: id, ...nothing });
  }

  #end(): void {
    this.#isClosed = true;
    for (const { operation, onLost } of this.#streams.values())
      onLost(new IpcUnavailable(`${operation}: the connection to the nucleus is lost`));
    this.#streams.clear();
  }
}

const isLast = ({ flags }: WireMessage): boolean => (flags & MESSAGE_FLAG.terminateStream) !== 0;

function parse({ body }: WireMessage): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new IpcUnavailable('the nucleus said something that is not JSON', { cause });
  }
}

/** Classic says `message`; both say `_message` and `_errorCode`. Errors of the protocol itself may be plain text. */
function errorOf(operation: string, message: WireMessage): Error {
  const shape = message.headers['service-model-type']?.split('#')[1];
  let body: { message?: string; _message?: string; _errorCode?: string } = {};
  try {
    body = JSON.parse(message.body.toString()) as typeof body;
  } catch {
    body = { message: message.body.toString().slice(0, 200) };
  }
  const code = shape ?? body._errorCode;
  const text = body.message ?? body._message ?? '';
  return code === undefined ? new IpcUnavailable(`${operation}: ${text}`) : new IpcError(operation, code, text);
}
