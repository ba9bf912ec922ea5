import { readFileSync } from 'node:fs';
import type { Config } from '../config/schema';
import { type ChooseProxy, chooseProxy, parseProxy } from '../domain/choose-proxy';
import { UsageError } from '../domain/errors';

/** What HTTPS_PROXY and NO_PROXY say. */
export interface SurroundingProxy {
  readonly url: string | undefined;
  readonly noProxy: readonly string[];
}

/** The configuration's proxy; without one the environment's. @throws UsageError */
export function buildProxy({ proxy }: Config, surrounding: SurroundingProxy | undefined): ChooseProxy {
  const { url, credentialsFile, noProxy } = proxy;
  const text = url ?? surrounding?.url;
  if (text === undefined) return () => undefined;
  const parsed = parseProxy(text);
  if (parsed === undefined)
    throw new UsageError(
      `${url === undefined ? 'HTTPS_PROXY of the environment' : 'proxy.url'} is no HTTP proxy; write it as http://host:port`,
    );
  const userInfo = credentialsFile === undefined ? parsed.userInfo : readUserInfo(credentialsFile);
  return chooseProxy({ ...parsed, userInfo }, noProxy ?? surrounding?.noProxy ?? []);
}

function readUserInfo(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new UsageError(
      `cannot read ${file} (${(cause as NodeJS.ErrnoException).code}); check proxy.credentialsFile and its rights`,
      { cause },
    );
  }
  if (!/^[^:\s]+:.*$/.test(text)) throw new UsageError(`${file} does not hold user:password on one line; correct it`);
  return text;
}
