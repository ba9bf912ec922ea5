import type { IncomingMessage } from 'node:http';
import { S3Error } from './s3-error';

/** The head of a request as it was signed, and what it addresses. */
export interface RequestHead {
  method: string;
  /** names in lower case, repeated ones joined by a comma, values as the latin1 bytes that came in */
  headers: Record<string, string>;
  /** decoded */
  path: string;
  /** decoded, in the order they came */
  query: [name: string, value: string][];
  bucket: string | undefined;
  key: string | undefined;
}

export function parseRequestHead(request: IncomingMessage): RequestHead {
  const target = request.url ?? '/';
  const split = target.indexOf('?');
  const path = decode(split === -1 ? target : target.slice(0, split));
  const headers = joinHeaders(request.rawHeaders);
  const { bucket, key } = address(path, headers.host ?? '');
  return {
    method: request.method ?? 'GET',
    headers,
    path,
    query: split === -1 ? [] : parseQuery(target.slice(split + 1)),
    bucket,
    key,
  };
}

export function findQuery(head: RequestHead, name: string): string | undefined {
  return head.query.find(([each]) => each === name)?.[1];
}

/** RFC 3986, as SigV4 wants it. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** `host` or `bucket.host`: the endpoint itself is one name, or an address. */
function address(path: string, host: string): { bucket: string | undefined; key: string | undefined } {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const virtual = /^(.+?)\.(?:s3\.)?localhost$/.exec(name)?.[1];
  if (virtual !== undefined && virtual !== 's3') return { bucket: virtual, key: path.slice(1) || undefined };
  const slash = path.indexOf('/', 1);
  if (slash === -1) return { bucket: path.slice(1) || undefined, key: undefined };
  return { bucket: path.slice(1, slash), key: path.slice(slash + 1) || undefined };
}

function joinHeaders(raw: string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase();
    const before = headers[name];
    headers[name] = before === undefined ? raw[at + 1]! : `${before},${raw[at + 1]!}`;
  }
  return headers;
}

function parseQuery(text: string): [string, string][] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      return at === -1 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))];
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error('InvalidURI', "Couldn't parse the specified URI.");
  }
}
