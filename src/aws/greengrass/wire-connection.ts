import type { Socket } from 'node:net';
import { EventStreamCodec } from '@smithy/core/event-streams';

export const MESSAGE_TYPE = {
  application: 0,
  applicationError: 1,
  ping: 2,
  pingResponse: 3,
  connect: 4,
  connectAck: 5,
} as const;
export const MESSAGE_FLAG = { connectionAccepted: 1, terminateStream: 2 } as const;

export interface WireMessage {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** Those that do not belong to the protocol itself. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface WireListener {
  /** @param bytes of headers and body together */
  onMessage(message: WireMessage, bytes: number): void;
  onClosed(): void;
}

/** Nobody says more at once: beyond it, it is not this protocol. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Length of the whole, length of the headers, and the sum over both stand before; a further sum behind. */
const PRELUDE_BYTES = 12;
const FRAME_BYTES = PRELUDE_BYTES + 4;

/** AWS event-stream messages over one socket. */
export class WireConnection {
  readonly #codec = new EventStreamCodec(
    (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString()),
    (text) => Buffer.from(text),
  );
  #received = Buffer.alloc(0);

  constructor(
    private readonly socket: Socket,
    private readonly listener: WireListener,
  ) {
    socket.on('data', (data) => this.#take(data));
    // A client that goes away without a word; `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => listener.onClosed());
  }

  send({ type, flags, streamId, headers, body }: WireMessage): void {
    if (!this.socket.writable) return;
    const strings = Object.entries(headers).map(([name, value]) => [name, { type: 'string', value }] as const);
    const encoded = this.#codec.encode({
      headers: {
        ':message-type': { type: 'integer', value: type },
        ':message-flags': { type: 'integer', value: flags },
        ':stream-id': { type: 'integer', value: streamId },
        ...Object.fromEntries(strings),
      },
      body,
    });
    this.socket.write(encoded);
  }

  /** What was sent before still arrives. */
  close(): void {
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }

  #take(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    while (this.#received.length >= 4 && !this.socket.destroyed) {
      const length = this.#received.readUInt32BE(0);
      if (length > MAX_MESSAGE_BYTES || length < FRAME_BYTES) {
        this.socket.destroy();
        return;
      }
      if (this.#received.length < length) return;
      const frame = this.#received.subarray(0, length);
      this.#received = this.#received.subarray(length);
      let message: WireMessage;
      try {
        message = this.#decode(frame);
      } catch {
        this.socket.destroy(); // a sum that is wrong: nothing behind it can be trusted
        return;
      }
      this.listener.onMessage(message, length - FRAME_BYTES);
    }
  }

  #decode(frame: Buffer): WireMessage {
    const { headers, body } = this.#codec.decode(frame);
    const number = (name: string): number => Number(headers[name]?.value ?? 0);
    const strings = Object.entries(headers).filter(([, { type }]) => type === 'string');
    return {
      type: number(':message-type'),
      flags: number(':message-flags'),
      streamId: number(':stream-id'),
      headers: Object.fromEntries(strings.map(([name, { value }]) => [name, String(value)])),
      body: Buffer.from(body),
    };
  }
}
