import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ChooseProxy } from '../../domain/choose-proxy';
import { openTunnel } from '../proxy/open-tunnel';
import { TLS_FLOOR } from '../tls-floor';

/** Who uses a connection at the moment. */
export interface ConnectionUser {
  onData(bytes: Buffer): void;
  /** Its end, with the error where there was one. Nothing comes after. */
  onClose(error: NodeJS.ErrnoException | undefined): void;
}

/** Closed by us, a little before the far end says it will. */
const HINT_MARGIN_MS = 1_000;

/** A kept connection: one request at a time. */
export class Connection {
  user: ConnectionUser | undefined;
  /** Requests it has served. */
  served = 0;
  expiresAtMs = Number.POSITIVE_INFINITY;
  #ready = false;
  #error: Error | undefined;

  constructor(
    readonly socket: Socket,
    readonly place: string,
    readyEvent: 'connect' | 'secureConnect',
    onClose: (connection: Connection) => void,
  ) {
    socket.once(readyEvent, () => {
      this.#ready = true;
    });
    socket.on('data', (bytes: Buffer) => {
      if (this.user === undefined)
        socket.destroy(); // bytes nobody asked for
      else this.user.onData(bytes);
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
    // Half closed, it takes no further request.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      onClose(this);
      this.user?.onClose(this.#error);
    });
    this.whenReady = (go) => {
      if (this.#ready) go();
      else socket.once(readyEvent, go);
    };
  }

  /** Nothing is handed to the socket before the far end has proved who it is. */
  readonly whenReady: (go: () => void) => void;
}

/** Connections to S3, kept for the next request; the one used last goes first, so that the others may age and go. */
export class ConnectionPool {
  readonly #all = new Set<Connection>();
  readonly #free = new Map<string, Connection[]>();
  /** Resuming one spares the certificates on the wire. */
  readonly #sessions = new Map<string, Buffer>();

  /** @param ca instead of those Node.js brings along @param maxFree kept while nobody needs them */
  constructor(
    private readonly ca: Buffer | undefined,
    private readonly maxFree: number,
    private readonly choose: ChooseProxy = () => undefined,
  ) {}

  /** At once, but through a proxy, which has so long to open the way. @throws TunnelRefused */
  take(url: URL, withinMs: number): Connection | Promise<Connection> {
    const free = this.#free.get(url.host);
    for (let kept = free?.pop(); kept !== undefined; kept = free?.pop()) {
      if (kept.socket.destroyed || performance.now() >= kept.expiresAtMs) {
        kept.socket.destroy();
        continue;
      }
      kept.socket.ref();
      return kept;
    }
    if (url.protocol === 'http:') return this.#add(this.#connectPlain(url));
    const [host, port] = [bare(url.hostname), Number(url.port || 443)];
    const proxy = this.choose(host, port);
    if (proxy === undefined) return this.#add(this.#connectTls(url, undefined));
    return openTunnel(proxy, host, port, withinMs).then((tunnel) => this.#add(this.#connectTls(url, tunnel)));
  }

  #add(connection: Connection): Connection {
    this.#all.add(connection);
    return connection;
  }

  /** @param hint the answer's `Keep-Alive` header */
  giveBack(connection: Connection, hint: string | undefined): void {
    const free = this.#free.get(connection.place) ?? [];
    this.#free.set(connection.place, free);
    if (free.length >= this.maxFree) {
      connection.socket.destroy();
      return;
    }
    const hintSeconds = hint === undefined ? undefined : /(?:^|[ ,;])timeout=(\d+)/i.exec(hint)?.[1];
    if (hintSeconds !== undefined)
      connection.expiresAtMs = performance.now() + Number(hintSeconds) * 1000 - HINT_MARGIN_MS;
    connection.served += 1;
    connection.user = undefined;
    connection.socket.unref();
    free.push(connection);
  }

  close(): void {
    for (const { socket } of this.#all) socket.destroy();
  }

  #connectPlain({ hostname, port, host }: URL): Connection {
    const socket = connectPlain({ host: bare(hostname), port: Number(port || 80), ...SOCKET });
    return new Connection(socket, host, 'connect', (connection) => this.#forget(connection));
  }

  #connectTls({ hostname, port, host }: URL, tunnel: Socket | undefined): Connection {
    const name = bare(hostname);
    const session = this.#sessions.get(host);
    const socket = connectTls({
      host: name,
      port: Number(port || 443),
      servername: isIP(name) === 0 ? name : '',
      ALPNProtocols: ['http/1.1'],
      ...TLS_FLOOR,
      ...(tunnel === undefined ? SOCKET : { socket: tunnel }),
      ...(this.ca === undefined ? {} : { ca: this.ca }),
      ...(session === undefined ? {} : { session }),
    });
    socket.on('session', (fresh: Buffer) => this.#sessions.set(host, fresh));
    socket.once('error', () => this.#sessions.delete(host));
    return new Connection(socket, host, 'secureConnect', (connection) => this.#forget(connection));
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection);
    const free = this.#free.get(connection.place);
    const at = free?.indexOf(connection) ?? -1;
    if (at >= 0) free!.splice(at, 1);
  }
}

const SOCKET = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 1_000 } as const;

/** An IPv6 address without its brackets. */
const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');
