import { TransferError } from '../../domain/errors';
import type { Bus, MessageKind, OnMessage, Subscription } from '../../messages/bus';
import { explainDenied, explainInvalid } from './explain-denied';
import type { IpcConnection } from './ipc-connection';
import { IpcError } from './ipc-error';

interface LocalMessage {
  readonly binaryMessage?: { readonly message?: string; readonly context?: { readonly topic?: string } };
  readonly jsonMessage?: { readonly message?: unknown; readonly context?: { readonly topic?: string } };
}

interface CloudMessage {
  readonly message?: { readonly topicName: string; readonly payload?: string };
}

const AT_LEAST_ONCE = '1';
/** What a nucleus that is offline does not keep. */
const AT_MOST_ONCE = '0';

/** The components of this device. */
export class IpcLocalBus implements Bus {
  constructor(private readonly ipc: IpcConnection) {}

  async publish(topic: string, payload: Buffer): Promise<void> {
    const publishMessage = { binaryMessage: { message: payload.toString('base64') } };
    await translated('PublishToTopic', topic, this.ipc.request('PublishToTopic', { topic, publishMessage }));
  }

  subscribe(topic: string, onMessage: OnMessage, onEnded: () => void): Promise<Subscription> {
    const onEvent = ({ binaryMessage, jsonMessage }: LocalMessage): void => {
      if (binaryMessage !== undefined) onMessage(binaryMessage.context?.topic ?? topic, bytesOf(binaryMessage.message));
      else if (jsonMessage !== undefined)
        onMessage(jsonMessage.context?.topic ?? topic, Buffer.from(JSON.stringify(jsonMessage.message)));
    };
    return translated(
      'SubscribeToTopic',
      topic,
      this.ipc.subscribe<LocalMessage>('SubscribeToTopic', { topic }, onEvent, onEnded),
    );
  }

  onConnected(listener: () => void): () => void {
    return this.ipc.onConnected(listener);
  }
}

/** AWS IoT Core, by the nucleus's own connection. */
export class IpcCloudBus implements Bus {
  constructor(private readonly ipc: IpcConnection) {}

  async publish(topic: string, payload: Buffer, { isFleeting = false }: MessageKind = {}): Promise<void> {
    const qos = isFleeting ? AT_MOST_ONCE : AT_LEAST_ONCE;
    const request = { topicName: topic, qos, payload: payload.toString('base64') };
    await translated('PublishToIoTCore', topic, this.ipc.request('PublishToIoTCore', request));
  }

  subscribe(topic: string, onMessage: OnMessage, onEnded: () => void): Promise<Subscription> {
    const onEvent = ({ message }: CloudMessage): void => {
      if (message !== undefined) onMessage(message.topicName, bytesOf(message.payload));
    };
    const request = { topicName: topic, qos: AT_LEAST_ONCE };
    return translated(
      'SubscribeToIoTCore',
      topic,
      this.ipc.subscribe<CloudMessage>('SubscribeToIoTCore', request, onEvent, onEnded),
    );
  }

  onConnected(listener: () => void): () => void {
    return this.ipc.onConnected(listener);
  }
}

const bytesOf = (base64: string | undefined): Buffer => Buffer.from(base64 ?? '', 'base64');

async function translated<T>(operation: string, topic: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof IpcError && cause.shape === 'UnauthorizedError')
      throw new TransferError('MESSAGE_DENIED', explainDenied(operation, topic), { cause });
    if (cause instanceof IpcError && cause.shape === 'InvalidArgumentsError')
      throw new TransferError('MESSAGE_DENIED', explainInvalid(operation, topic, cause.message), { cause });
    throw new TransferError('BUS_UNAVAILABLE', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
