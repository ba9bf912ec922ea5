/** `local`: between the components of one device. `cloud`: AWS IoT Core. */
export type Channel = 'local' | 'cloud';

export type OnMessage = (topic: string, payload: Buffer) => void;

export interface MessageKind {
  /** Of use now or never: nobody on the way may keep it for later. */
  readonly isFleeting?: boolean;
}

/**
 * A way for messages. What it takes over may still be lost beyond it: no bus tells whether anybody has received a
 * message. Every call ends within a time of its own, whatever the other side does.
 */
export interface Bus {
  /**
   * @param payload at most `MAX_PAYLOAD_BYTES`
   * @throws TransferError BUS_UNAVAILABLE (again later), MESSAGE_DENIED (the message ends with what has to be allowed, or another topic to be configured)
   */
  publish(topic: string, payload: Buffer, kind?: MessageKind): Promise<void>;
  /**
   * Lasts until the next connection at most: then it has to be made anew.
   * @param onEnded it has ended before, and not by us
   * @throws TransferError, as `publish` does
   */
  subscribe(topic: string, onMessage: OnMessage, onEnded: () => void): Promise<Subscription>;
  /** Told at each new connection, and now if there is one. @returns to be told no more */
  onConnected(listener: () => void): () => void;
}

export interface Subscription {
  close(): Promise<void>;
}

/** Beyond 7,300 bytes a nucleus lite hangs up; beyond some 4,700 a subscriber there gets nothing. */
export const MAX_PAYLOAD_BYTES = 4_096;
