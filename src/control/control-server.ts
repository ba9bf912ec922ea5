import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { UsageError } from '../domain/errors';
import type { Log } from '../log';
import { type ControlAnswer, type ControlRequest, findSocketPathProblem } from './protocol';

/** Answers one command. @throws UsageError whose message is for the person who asked */
export type Answerer = (request: ControlRequest) => unknown;

const MAX_REQUEST_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

/** A Unix socket only its owner may use. */
export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(
    private readonly path: string,
    private readonly answer: Answerer,
    private readonly log: Log,
  ) {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** @throws UsageError when the path is too long for a socket */
  async start(): Promise<void> {
    const problem = findSocketPathProblem(this.path);
    if (problem !== undefined) throw new UsageError(problem);
    rmSync(this.path, { force: true }); // left by a kill; the ledger's lock says nobody else runs here
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
    chmodSync(this.path, 0o600); // beside the process's umask, which a caller may have loosened
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy()); // the asker went away
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => socket.destroy());
    socket.setEncoding('utf8');
    let text = '';
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) socket.end(`${JSON.stringify(this.#answer(text.slice(0, end)))}\n`);
      else if (text.length > MAX_REQUEST_BYTES) socket.destroy();
    });
  }

  #answer(line: string): ControlAnswer {
    try {
      return { ok: true, result: this.answer(JSON.parse(line) as ControlRequest) };
    } catch (error) {
      if (error instanceof UsageError) return { ok: false, error: error.message };
      this.log.warn({ reason: String(error) }, 'a command on the control socket failed');
      return { ok: false, error: `the daemon cannot answer that: ${String(error)}; its log has more` };
    }
  }
}
