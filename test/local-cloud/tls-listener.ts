import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { listenOn } from './listen-on';

export type Answer = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => Promise<void>;

export interface ListenerHooks {
  answer: Answer;
  /** false = the connection is closed before any request is read */
  accepts?: (socket: TLSSocket) => boolean;
  /** what is written before the socket of an unreadable request is closed */
  onUnreadable?: (error: NodeJS.ErrnoException) => string | undefined;
}

const IDLE_CONNECTION_MS = 20_000;

/** An https server on loopback that can go away and come back on its port. */
export class TlsListener {
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  constructor(
    private readonly options: ServerOptions,
    private readonly hooks: ListenerHooks,
    private portNumber: number,
  ) {}

  get port(): number {
    return this.portNumber;
  }

  async open(): Promise<void> {
    if (this.server !== undefined) return;
    const server = createServer({ ...this.options, keepAliveTimeout: IDLE_CONNECTION_MS, requestTimeout: 0 });
    this.server = server;
    const answer = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
      void this.hooks.answer(request, response, expectsContinue);
    };
    server.on('request', (request, response) => answer(request, response, false));
    server.on('checkContinue', (request, response) => answer(request, response, true));
    server.on('secureConnection', (socket) => {
      if (this.hooks.accepts?.(socket) === false) socket.destroy();
    });
    server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true);
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const text = this.hooks.onUnreadable?.(error);
      if (text !== undefined && socket.writable) socket.end(text);
      else socket.destroy();
    });
    this.portNumber = await listenOn(server, this.portNumber);
  }

  /** Connections are cut, further ones refused. */
  async close(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
