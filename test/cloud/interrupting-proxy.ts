import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http';
import { listenOn } from '../local-cloud/listen-on';

/** Where whoever asks is cut off: the request never gets there, or its answer never comes back. */
export type Cut = 'before' | 'after';

/** Stands between a program and an endpoint, and holds the nth exchange up for ever. */
export class InterruptingProxy {
  readonly #server: Server;
  #url = '';
  #reached: () => void = () => undefined;
  /** Resolves when the exchange is held up. */
  readonly held = new Promise<void>((resolve) => {
    this.#reached = resolve;
  });
  calls = 0;

  private constructor(
    private readonly target: URL,
    private readonly nth: number,
    private readonly cut: Cut,
  ) {
    this.#server = createServer((request, response) => this.#pass(request, response));
  }

  /** @param nth counted from 1 */
  static async start(target: string, nth: number, cut: Cut): Promise<InterruptingProxy> {
    const proxy = new InterruptingProxy(new URL(target), nth, cut);
    proxy.#url = `http://127.0.0.1:${await listenOn(proxy.#server, 0)}`;
    return proxy;
  }

  get url(): string {
    return this.#url;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    this.calls += 1;
    const isHeld = this.calls === this.nth;
    if (isHeld && this.cut === 'before') {
      this.#reached();
      return;
    }
    const { hostname, port } = this.target;
    const { method, url: path, headers } = request;
    const onward = send({ hostname, port, method, path, headers }, (answer) => {
      if (isHeld) {
        answer.resume().on('end', () => this.#reached());
        return;
      }
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }
}
