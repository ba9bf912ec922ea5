import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { UsageError } from '../domain/errors';
import type { Log } from '../log';
import { type ControlAnswer, type ControlRequest, findSocketPathProblem } from './protocol';

/**
 * Answers one command: at once, by a promise, or by answers that go on. The signal aborts when the asker is gone.
 * @throws UsageError whose message is for the person who asked
 */
export type Answerer = (request: ControlRequest, signal: AbortSignal) => unknown;

const MAX_REQUEST_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_BACKLOG_BYTES = 1024 * 1024;

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
    const onData = (chunk: string): void => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0 && text.length <= MAX_REQUEST_BYTES) return;
      socket.off('data', onData).resume();
      if (end < 0) socket.destroy();
      else void this.#answer(socket, text.slice(0, end));
    };
    socket.on('data', onData);
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    const gone = new AbortController();
    socket.on('close', () => gone.abort());
    socket.setTimeout(0); // an answer may take as long as an upload
    const say = (answer: ControlAnswer): boolean => socket.write(`${JSON.stringify(answer)}\n`);
    try {
      const result = await this.answer(JSON.parse(line) as ControlRequest, gone.signal);
      if (!isStream(result)) say({ ok: true, result });
      else
        for await (const each of result) {
          say({ ok: true, result: each });
          if (socket.writableLength > MAX_BACKLOG_BYTES) break; // an asker that does not read
        }
    } catch (error) {
      if (!gone.signal.aborted) say({ ok: false, error: this.#explain(error) });
    }
    socket.end();
  }

  #explain(error: unknown): string {
    if (error instanceof UsageError) return error.message;
    this.log.warn({ reason: String(error) }, 'a command on the control socket failed');
    return `the daemon cannot answer that: ${String(error)}; its log has more`;
  }
}

const isStream = (result: unknown): result is AsyncIterable<unknown> =>
  typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
