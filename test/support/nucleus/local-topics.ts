import { type AccessControl, PUB_SUB } from './access-control';
import { fitsFilter } from './fits-filter';
import { IpcError } from './ipc-error';
import type { IpcStream } from './ipc-stream';
import type { IpcOperation } from './nucleus-ipc';
import type { NucleusSwitches } from './switches';

/** JSON, or bytes. */
export type LocalMessage = Buffer | object;

export interface LocalPublication {
  readonly topic: string;
  readonly message: LocalMessage;
}

interface Subscriber {
  readonly filter: string;
  readonly fromOthersOnly: boolean;
  readonly stream: IpcStream;
}

interface PublishMessage {
  jsonMessage?: { message: object };
  binaryMessage?: { message: string };
}

/** Publish and subscribe between the components of one device. */
export class LocalTopics {
  readonly operations: Readonly<Record<string, IpcOperation>> = {
    PublishToTopic: { answer: (body) => this.#publish(body) },
    SubscribeToTopic: { hasEvents: true, answer: (body, stream) => this.#subscribe(body, stream) },
  };
  /** What the component published. */
  readonly published: LocalPublication[] = [];
  readonly #subscribers = new Set<Subscriber>();

  constructor(
    private readonly componentName: string,
    private readonly access: AccessControl,
    private readonly switches: NucleusSwitches,
  ) {}

  get filters(): string[] {
    return [...this.#subscribers].map(({ filter }) => filter);
  }

  /** Another component publishes. */
  publish(topic: string, message: LocalMessage): void {
    this.#deliver({ topic, message }, false);
  }

  #deliver({ topic, message }: LocalPublication, isOwn: boolean): void {
    const context = { topic };
    const body = Buffer.isBuffer(message)
      ? { binaryMessage: { message: message.toString('base64'), context } }
      : { jsonMessage: { message, context } };
    for (const { filter, fromOthersOnly, stream } of this.#subscribers) {
      if (fitsFilter(topic, filter) && !(isOwn && fromOthersOnly)) stream.send('SubscriptionResponseMessage', body);
    }
  }

  #publish({ topic, publishMessage }: Record<string, unknown>): object {
    const name = this.#permitted('PublishToTopic', topic);
    if (this.switches.kind === 'classic' && /[+#*]/.test(name)) {
      throw new IpcError('InvalidArgumentsError', 'Publish topic must not contain a wildcard.');
    }
    const { jsonMessage, binaryMessage } = publishMessage as PublishMessage;
    const message = binaryMessage === undefined ? jsonMessage!.message : Buffer.from(binaryMessage.message, 'base64');
    this.published.push({ topic: name, message });
    this.#deliver({ topic: name, message }, true);
    return {};
  }

  #subscribe({ topic, receiveMode }: Record<string, unknown>, stream: IpcStream): object {
    const filter = this.#permitted('SubscribeToTopic', topic);
    // Lite does not know the mode; classic's default depends on the filter.
    const mode = receiveMode ?? (/[+#]/.test(filter) ? 'RECEIVE_MESSAGES_FROM_OTHERS' : 'RECEIVE_ALL_MESSAGES');
    const fromOthersOnly = this.switches.kind === 'classic' && mode === 'RECEIVE_MESSAGES_FROM_OTHERS';
    const subscriber = { filter, fromOthersOnly, stream };
    this.#subscribers.add(subscriber);
    stream.onEnded(() => this.#subscribers.delete(subscriber));
    return {};
  }

  #permitted(operation: string, topic: unknown): string {
    if (typeof topic !== 'string' || topic === '') {
      throw new IpcError('InvalidArgumentsError', 'Publish topic must not be null');
    }
    if (this.access.allows(PUB_SUB, operation, topic)) return topic;
    throw new IpcError(
      'UnauthorizedError',
      this.switches.kind === 'classic'
        ? `Principal ${this.componentName} is not authorized to perform ${PUB_SUB}:aws.greengrass#${operation} on resource ${topic}`
        : 'IPC Operation not authorized.',
    );
  }
}
