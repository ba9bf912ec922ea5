import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import {
  MESSAGE_FLAG,
  MESSAGE_TYPE,
  WireConnection,
  type WireMessage,
} from '../../../src/aws/greengrass/wire-connection';
import { until } from '../until';
import { IpcError } from './ipc-error';
import { IpcStream } from './ipc-stream';
import type { NucleusSwitches } from './switches';

export interface IpcRequest {
  /** Short: `PublishToTopic`; `Connect` for the handshake. */
  readonly operation: string;
  readonly body: Record<string, unknown>;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface IpcOperation {
  /** Its stream stays open for events. */
  readonly hasEvents?: boolean;
  /** Gives the members of the answer. @throws IpcError */
  answer(body: Record<string, unknown>, stream: IpcStream): object;
}

interface Client {
  readonly connection: WireConnection;
  readonly streams: Map<number, IpcStream>;
  isConnected: boolean;
}

const OPERATION = /^aws\.greengrass#(\w+)$/;
const VERSION = '0.1.0';

/** The nucleus's server for interprocess communication, as far as the wire: who may connect, which operation is meant. */
export class NucleusIpc {
  /** All that was asked, in order, refused or not. */
  readonly requests: IpcRequest[] = [];
  readonly #clients = new Set<Client>();
  readonly #tokens = new Set<string>();
  #server: Server | undefined;

  constructor(
    readonly socketPath: string,
    private readonly switches: NucleusSwitches,
    private readonly operations: Readonly<Record<string, IpcOperation>>,
  ) {}

  get connections(): number {
    return [...this.#clients].filter(({ isConnected }) => isConnected).length;
  }

  async start(): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.socketPath, resolve);
    });
  }

  /** The socket is gone with all connections; tokens stay good for a later `start`. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => {
      if (server === undefined) resolve();
      else server.close(() => resolve());
    });
    this.drop();
    await closed;
    rmSync(this.socketPath, { force: true });
  }

  /** Its daemon starts anew: connections drop and no token that was given out is ever good again. */
  restartDaemon(): void {
    this.#tokens.clear();
    this.drop();
  }

  drop(): void {
    for (const { connection } of this.#clients) connection.destroy();
  }

  /** A SVCUID for the component's next process: 16 characters, as both nuclei make them. */
  issueToken(): string {
    const token = randomBytes(12).toString('base64');
    this.#tokens.add(token);
    return token;
  }

  accepts(token: string): boolean {
    return this.#tokens.has(token);
  }

  asked(operation: string): IpcRequest[] {
    return this.requests.filter((request) => request.operation === operation);
  }

  /** The first request, past or to come, that fits. */
  async waitFor(operation: string, fits: (body: Record<string, unknown>) => boolean = () => true): Promise<IpcRequest> {
    const find = (): IpcRequest | undefined => this.asked(operation).find(({ body }) => fits(body));
    await until(
      `${operation} asked of the nucleus`,
      () => find() !== undefined,
      () => this.requests.slice(-20),
    );
    return find()!;
  }

  #accept(socket: Socket): void {
    const streams = new Map<number, IpcStream>();
    const connection = new WireConnection(socket, {
      onMessage: (message, bytes) => this.#hear(client, message, bytes),
      onClosed: () => {
        this.#clients.delete(client);
        for (const stream of streams.values()) stream.ended();
      },
    });
    const client: Client = { connection, streams, isConnected: false };
    this.#clients.add(client);
  }

  #hear(client: Client, message: WireMessage, bytes: number): void {
    if (this.switches.maxMessageBytes !== undefined && bytes > this.switches.maxMessageBytes) {
      client.connection.destroy();
    } else if (message.type === MESSAGE_TYPE.ping) {
      client.connection.send({ ...message, type: MESSAGE_TYPE.pingResponse, flags: 0 });
    } else if (message.type === MESSAGE_TYPE.connect && !client.isConnected) this.#connect(client, message);
    else if (message.type === MESSAGE_TYPE.application && client.isConnected) this.#request(client, message);
    else client.connection.destroy();
  }

  #connect(client: Client, { headers, body }: WireMessage): void {
    const said = parseObject(body);
    this.requests.push({ operation: 'Connect', body: said, at: Date.now() });
    if (this.switches.hanging.has('Connect')) return;
    client.isConnected = headers[':version'] === VERSION && this.#tokens.has(String(said.authToken));
    const flags = client.isConnected ? MESSAGE_FLAG.connectionAccepted : 0;
    // Lite closes without an answer, classic after one that does not accept.
    if (client.isConnected || this.switches.kind === 'classic') {
      client.connection.send({
        type: MESSAGE_TYPE.connectAck,
        flags,
        streamId: 0,
        headers: {},
        body: Buffer.alloc(0),
      });
    }
    if (!client.isConnected) client.connection.close();
  }

  #request({ connection, streams }: Client, { headers, streamId, flags, body }: WireMessage): void {
    if ((flags & MESSAGE_FLAG.terminateStream) !== 0) {
      streams.get(streamId)?.ended();
      streams.delete(streamId);
      return;
    }
    const name = OPERATION.exec(headers.operation ?? '')?.[1] ?? '';
    const request = parseObject(body);
    this.requests.push({ operation: name, body: request, at: Date.now() });
    if (this.switches.hanging.has(name)) return;
    const stream = new IpcStream(connection, streamId, this.switches.kind);
    streams.set(streamId, stream);
    stream.onEnded(() => streams.delete(streamId));
    const operation = this.switches.unsupported.has(name) ? undefined : this.operations[name];
    try {
      if (operation === undefined) throw this.#unsupported(name);
      const answer = operation.answer(request, stream);
      if (operation.hasEvents === true) stream.send(`${name}Response`, answer);
      else stream.answer(`${name}Response`, answer);
    } catch (error) {
      stream.refuse(error);
    }
  }

  #unsupported(name: string): IpcError {
    const isClassic = this.switches.kind === 'classic';
    return new IpcError(
      'ServiceError',
      isClassic ? `Operation aws.greengrass#${name} is not supported by Greengrass` : '',
    );
  }
}

function parseObject(body: Buffer): Record<string, unknown> {
  return body.length === 0 ? {} : (JSON.parse(body.toString()) as Record<string, unknown>);
}
