import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../../clock';
import type { DeviceFiles } from '../credentials/device-files';

/** Where the way to a CONNACK ends. */
export type Verdict =
  | { readonly kind: 'unreachable'; readonly code: string }
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
  readonly clock: Clock;
}

/** Over a satellite TLS takes seconds. */
const WITHIN_MS = 10_000;
/** With TLS 1.3 a server says only afterwards that it does not take a certificate. */
const SETTLED_MS = 1_500;

/** The CRT has one word for most of what can be wrong with a connection: Node's TLS has many, and says them at once. */
export async function diagnose({ host, port, files, clock }: DiagnoseOptions, signal: AbortSignal): Promise<Verdict> {
  const { cert, key, ca } = files;
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port, cert, key, ...name, ...(ca === undefined ? {} : { ca }) });
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
