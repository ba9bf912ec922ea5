import { TransferError } from '../../src/domain/errors';
import type { Bus, OnMessage, Subscription } from '../../src/messages/bus';

/** A bus in the test's hands: it answers as told, and says what was asked of it. */
export class HandBus implements Bus {
  readonly published: string[] = [];
  readonly subscribed: string[] = [];
  readonly closed: string[] = [];
  readonly listeners = new Set<() => void>();
  /** Of the subscriptions that are held, by topic. */
  readonly held = new Map<string, { readonly onMessage: OnMessage; readonly onEnded: () => void }>();
  inFlight = 0;
  mostInFlight = 0;
  onPublish: (topic: string, payload: Buffer) => Promise<void> = () => Promise.resolve();
  onSubscribe: (topic: string) => Promise<void> = () => Promise.resolve();

  async publish(topic: string, payload: Buffer): Promise<void> {
    this.published.push(topic);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    try {
      await this.onPublish(topic, payload);
    } finally {
      this.inFlight--;
    }
  }

  async subscribe(topic: string, onMessage: OnMessage, onEnded: () => void): Promise<Subscription> {
    this.subscribed.push(topic);
    await this.onSubscribe(topic);
    const one = { onMessage, onEnded };
    this.held.set(topic, one);
    return {
      close: () => {
        this.closed.push(topic);
        if (this.held.get(topic) === one) this.held.delete(topic);
        return Promise.resolve();
      },
    };
  }

  onConnected(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  connect(): void {
    this.held.clear();
    for (const listener of this.listeners) listener();
  }

  deliver(topic: string, payload: Buffer): void {
    this.held.get(topic)?.onMessage(topic, payload);
  }
}

export const away = (): Promise<never> => Promise.reject(new TransferError('BUS_UNAVAILABLE', 'away'));
export const denied = (topic: string): Promise<never> =>
  Promise.reject(new TransferError('MESSAGE_DENIED', `${topic} is not allowed; allow it`));
