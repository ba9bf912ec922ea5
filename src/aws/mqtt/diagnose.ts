import { once } from 'node:events';
import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../../clock';
import type { HttpProxy } from '../../domain/choose-proxy';
import type { DeviceFiles } from '../credentials/device-files';
import { openTunnel, TunnelRefused } from '../proxy/open-tunnel';
import { TLS_FLOOR } from '../tls-floor';

/** Where the way to a CONNACK ends. */
export type Verdict =
  | { readonly kind: 'unreachable'; readonly code: string }
  /** The reason ends with the next step. */
  | { readonly kind: 'no way through the proxy'; readonly reason: string }
  /** By its CA, its name or its dates. */
  | { readonly kind: 'server not proven'; readonly code: string }
  /** TLS ends, or the broker hangs up, before a word of MQTT. */
  | { readonly kind: 'certificate refused'; readonly code: string }
  /** TLS is there and stays: it is CONNECT that is not answered as it should be. */
  | { readonly kind: 'connect refused' }
  /** The same, and yet it was no hang-up: no answer, or one that is not of MQTT, or no (the CRT does not tell which). */
  | { readonly kind: 'not understood'; readonly code: string };

export interface DiagnoseOptions {
  readonly host: string;
  readonly port: number;
  readonly files: DeviceFiles;
  readonly proxy: HttpProxy | undefined;
  readonly clock: Clock;
}

/** Over a satellite TLS takes seconds. */
const WITHIN_MS = 10_000;
/** With TLS 1.3 a server says only afterwards that it does not take a certificate. */
const SETTLED_MS = 1_500;

/** The CRT has one word for most of what can be wrong with a connection: Node's TLS has many, and says them at once. */
export async function diagnose(options: DiagnoseOptions, signal: AbortSignal): Promise<Verdict> {
  const { host, port, files, proxy, clock } = options;
  const { cert, key, ca } = files;
  let tunnel: Socket | undefined;
  try {
    tunnel = proxy && (await openTunnel(proxy, host, port, WITHIN_MS));
  } catch (error) {
    if (error instanceof TunnelRefused) return { kind: 'no way through the proxy', reason: error.message };
    throw error;
  }
  const way = tunnel === undefined ? { host, port } : { socket: tunnel };
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ ...TLS_FLOOR, ...way, cert, key, ...name, ...(ca === undefined ? {} : { ca }) });
  const over = new AbortController();
  const waiting = AbortSignal.any([signal, over.signal]);
  try {
    return await ask(socket, (ms) => clock.sleep(ms, waiting));
  } finally {
    over.abort();
    socket.destroy();
  }
}

async function ask(socket: TLSSocket, sleep: (ms: number) => Promise<void>): Promise<Verdict> {
  let isSecure = false;
  const ended = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve('it hangs up'));
  });
  const secured = once(socket, 'secureConnect').then(
    () => {
      isSecure = true;
    },
    () => new Promise<never>(() => undefined), // an error, which `ended` tells
  );
  const first = await Promise.race([ended, secured, sleep(WITHIN_MS).then(() => 'ETIMEDOUT')]);
  if (first !== undefined) return judge(first, isSecure);
  const later = await Promise.race([ended, sleep(SETTLED_MS)]);
  return later === undefined ? { kind: 'connect refused' } : judge(later, isSecure);
}

function judge(code: string, isSecure: boolean): Verdict {
  if (/^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_|ERR_TLS_CERT_ALTNAME)/.test(code))
    return { kind: 'server not proven', code };
  if (isSecure || /^ERR_SSL_/.test(code)) return { kind: 'certificate refused', code };
  return { kind: 'unreachable', code };
}
