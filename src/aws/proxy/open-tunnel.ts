import { connect, type Socket } from 'node:net';
import type { HttpProxy } from '../../domain/choose-proxy';

/** The proxy did not open a tunnel. The message ends with the next step, and never holds what it was asked with. */
export class TunnelRefused extends Error {
  override readonly name = 'TunnelRefused';
  readonly code = 'PROXY_REFUSED';
}

const MAX_HEAD_BYTES = 16 * 1024;

/** A connection to `host` through a proxy, by CONNECT: whoever gets it speaks TLS through it. @throws TunnelRefused */
export function openTunnel(proxy: HttpProxy, host: string, port: number, timeoutMs: number): Promise<Socket> {
  const far = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const near = `${proxy.host}:${proxy.port}`;
  const socket = connect({ host: proxy.host, port: proxy.port, noDelay: true, keepAlive: true });
  return new Promise<Socket>((resolve, reject) => {
    let head = Buffer.alloc(0);
    const end = (refusal: string | undefined): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('close', onClose);
      socket.on('error', () => undefined); // whoever speaks through it hears of its end
      if (refusal === undefined) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(new TunnelRefused(refusal));
    };
    const onError = ({ code, message }: NodeJS.ErrnoException): void =>
      end(
        `the proxy ${near} cannot be reached (${code ?? message}); check proxy.url, or except ${host} in proxy.noProxy`,
      );
    const onClose = (): void =>
      end(`the proxy ${near} hangs up on CONNECT ${far}; check that it is an HTTP proxy and lets this device in`);
    const timer = setTimeout(
      () => end(`the proxy ${near} does not answer CONNECT ${far} within ${Math.round(timeoutMs / 1000)} s; check it`),
      timeoutMs,
    );
    const onData = (bytes: Buffer): void => {
      head = Buffer.concat([head, bytes]);
      const at = head.indexOf('\r\n\r\n');
      if (at < 0 && head.length < MAX_HEAD_BYTES) return;
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1'))?.[1]);
      if (at >= 0 && status >= 200 && status < 300) {
        socket.pause();
        if (head.length > at + 4) socket.unshift(head.subarray(at + 4));
        end(undefined);
      } else end(explain(near, far, status));
    };
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.once('connect', () =>
      socket.write(`CONNECT ${far} HTTP/1.1\r\nHost: ${far}\r\n${authorization(proxy)}\r\n`),
    );
  });
}

const authorization = ({ userInfo }: HttpProxy): string =>
  userInfo === undefined ? '' : `Proxy-Authorization: Basic ${Buffer.from(userInfo).toString('base64')}\r\n`;

function explain(near: string, far: string, status: number): string {
  if (Number.isNaN(status)) return `the proxy ${near} does not answer CONNECT in HTTP; check proxy.url`;
  if (status === 407)
    return `the proxy ${near} wants to know who asks (407); name a file with user:password in proxy.credentialsFile`;
  if (status === 403 || status === 405)
    return `the proxy ${near} does not permit CONNECT ${far} (${status}); have it permitted there`;
  return `the proxy ${near} finds no way to ${far} (${status}); if it lasts, look into the proxy's log`;
}
