import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface ConnectProxyOptions {
  /** `user:password` that it wants to be told */
  readonly userInfo?: string;
  /** answered instead of opening a tunnel */
  readonly status?: number;
  /** where a port of the far side really is */
  readonly ports?: Readonly<Record<number, number>>;
  /** so many bytes a second leave the device, over all tunnels; absent: as fast as it goes */
  readonly bytesPerSecond?: number;
}

const SLICE_MS = 20;

/** An HTTP proxy on loopback that opens tunnels by CONNECT, counts what passes, and may be a narrow link. */
export class ConnectProxy {
  /** `host:port` of each tunnel that was asked for, in order. */
  readonly asked: string[] = [];
  /** Out of the device, over all tunnels. */
  bytesUp = 0;
  readonly #sockets = new Set<Duplex>();
  #budget = 0;
  #refill: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    private readonly options: ConnectProxyOptions,
  ) {}

  static async start(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const server = createServer((_, response) => response.writeHead(405).end());
    const proxy = new ConnectProxy(server, options);
    server.on('connect', (request, socket: Socket, head) => proxy.#open(request, socket, head));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { bytesPerSecond } = options;
    if (bytesPerSecond !== undefined)
      proxy.#refill = setInterval(() => {
        const slice = (bytesPerSecond * SLICE_MS) / 1000;
        proxy.#budget = Math.min(slice, proxy.#budget + slice); // what went beyond is paid back
        if (proxy.#budget > 0) for (const go of proxy.#waiting.splice(0)) go();
      }, SLICE_MS);
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** How many tunnels to this port were asked for. */
  tunnelsTo(port: number): number {
    return this.asked.filter((one) => one.endsWith(`:${port}`)).length;
  }

  async stop(): Promise<void> {
    clearInterval(this.#refill);
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.server.closeAllConnections();
    await closed;
  }

  #open({ url = '', headers }: IncomingMessage, socket: Socket, head: Buffer): void {
    this.asked.push(url);
    socket.on('error', () => undefined);
    const { userInfo, status } = this.options;
    const wanted = userInfo === undefined ? undefined : `Basic ${Buffer.from(userInfo).toString('base64')}`;
    const refused = status ?? (wanted !== undefined && headers['proxy-authorization'] !== wanted ? 407 : undefined);
    if (refused !== undefined) {
      socket.end(`HTTP/1.1 ${refused} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`tcp://${url}`);
    const far = connect(this.options.ports?.[Number(port)] ?? Number(port), hostname.replace(/^\[|\]$/g, ''));
    for (const end of [socket, far]) {
      this.#sockets.add(end);
      end.once('close', () => {
        this.#sockets.delete(end);
        (end === far ? socket : far).destroy();
      });
      end.on('error', () => undefined);
    }
    far.once('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      far.pipe(socket);
      this.#carry(head, far);
      socket.on('data', (bytes: Buffer) => {
        this.#carry(bytes, far);
        if (this.options.bytesPerSecond === undefined || this.#budget > 0) return;
        socket.pause(); // so that the sender feels it
        this.#waiting.push(() => socket.resume());
      });
    });
  }

  #carry(bytes: Buffer, far: Socket): void {
    this.bytesUp += bytes.length;
    this.#budget -= bytes.length;
    far.write(bytes);
  }
}
