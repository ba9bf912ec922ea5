import { BlockList, isIP } from 'node:net';

/** An HTTP proxy that opens tunnels by CONNECT. */
export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  /** `user:password` */
  readonly userInfo: string | undefined;
}

/** Which proxy leads to a host; undefined: none, it is reached directly. */
export type ChooseProxy = (host: string, port: number) => HttpProxy | undefined;

const DEFAULT_PORT = 80;

/** @param text `http://host:port`, as the environment also gives it: with `user:password@`, or without scheme @returns undefined when it is none */
export function parseProxy(text: string): HttpProxy | undefined {
  try {
    const url = new URL(/^\w+:\/\//.test(text) ? text : `http://${text}`);
    if (url.protocol !== 'http:' || url.hostname === '') return undefined;
    const userInfo =
      url.username === '' ? undefined : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    return { host: bare(url.hostname), port: Number(url.port || DEFAULT_PORT), userInfo };
  } catch {
    return undefined;
  }
}

/**
 * @param noProxy what is reached without: a name (and what is below it, with or without a dot before it), an address, a
 *   block of addresses, each with `:port` or without; `*` for everything
 */
export function chooseProxy(proxy: HttpProxy | undefined, noProxy: readonly string[]): ChooseProxy {
  if (proxy === undefined) return () => undefined;
  const exceptions = noProxy.map((one) => one.trim().toLowerCase()).filter((one) => one !== '');
  return (host, port) => (exceptions.some((one) => covers(one, bare(host.toLowerCase()), port)) ? undefined : proxy);
}

function covers(exception: string, host: string, port: number): boolean {
  if (exception === '*') return true;
  const [, name = exception, portText] = /^(.*[^:]|\[.*\]):(\d+)$/.exec(isIP(exception) === 0 ? exception : '') ?? [];
  if (portText !== undefined && Number(portText) !== port) return false;
  const family = isIP(host);
  const [address = '', bits] = bare(name).split('/');
  if (isIP(address) !== 0) {
    if (isIP(address) !== family) return false;
    if (bits === undefined) return address === host;
    if (!(Number(bits) <= (family === 6 ? 128 : 32))) return false;
    const block = new BlockList();
    block.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
    return block.check(host, family === 6 ? 'ipv6' : 'ipv4');
  }
  const suffix = name.replace(/^\*?\./, '');
  return host === suffix || host.endsWith(`.${suffix}`);
}

/** An IPv6 address without its brackets. */
const bare = (host: string): string => host.replace(/^\[|\]$/g, '');
