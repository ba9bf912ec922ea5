import { CachedCredentials } from '../aws/credentials/cached-credentials';
import { RoleAlias } from '../aws/credentials/role-alias';
import { TokenExchange } from '../aws/credentials/token-exchange';
import type { Clock } from '../clock';
import type { Config } from '../config/schema';
import { hasCode, UsageError } from '../domain/errors';
import type { ServerClock } from '../link/server-clock';

export interface Credentials {
  readonly cache: CachedCredentials;
  readonly source: 'role-alias' | 'token-exchange';
  readonly warnings: readonly string[];
  /** Resolves when the source answers; a refusal is an answer too. @throws TransferError CREDENTIALS_UNREACHABLE */
  probe(): Promise<void>;
}

export interface CredentialsEdge {
  readonly tokenExchange: { readonly uri: string; readonly authorization: string } | undefined;
  readonly clock: Clock;
  readonly serverClock: ServerClock;
}

/** `auto`: the nucleus's token exchange where there is one, else the role alias. Undefined where neither is set up. */
export function buildCredentials(config: Config, edge: CredentialsEdge): Credentials | undefined {
  const { thing, credentials } = config;
  const { clock, tokenExchange, serverClock } = edge;
  const { source, roleAlias } = credentials;
  const nowMs = (): number => serverClock.nowMs();
  const timeoutMs = config.upload.stallSeconds * 1000;
  if (source === 'token-exchange' || (source === 'auto' && tokenExchange !== undefined)) {
    if (tokenExchange === undefined) {
      throw new UsageError(
        'credentials.source is token-exchange, but no Greengrass nucleus offers it here; use role-alias, or run as a component',
      );
    }
    const exchange = new TokenExchange({ ...tokenExchange, timeoutMs, nowMs });
    return credentialsFrom('token-exchange', new CachedCredentials(() => exchange.fetch(), clock), []);
  }
  const { endpoint, alias, caFile, thingNameHeader } = roleAlias;
  const { certificateFile, privateKeyFile, name } = thing;
  if (endpoint === undefined || alias === undefined || certificateFile === undefined || privateKeyFile === undefined) {
    if (config.outboxes.length === 0 && config.inbox.dir === undefined) return undefined;
    throw new UsageError(
      'no way to credentials: set credentials.roleAlias.endpoint and .alias with thing.certificateFile and .privateKeyFile, or run as a Greengrass component',
    );
  }
  const role = new RoleAlias({
    endpoint,
    alias,
    certificateFile,
    privateKeyFile,
    caFile,
    thingName: thingNameHeader ? name : undefined,
    timeoutMs,
    onServerDate: (date) => serverClock.learn(date),
    nowMs: () => clock.nowMs(),
  });
  return credentialsFrom('role-alias', new CachedCredentials(() => role.fetch(), clock), role.findWarnings());
}

function credentialsFrom(
  source: Credentials['source'],
  cache: CachedCredentials,
  warnings: readonly string[],
): Credentials {
  const probe = async (): Promise<void> => {
    await cache.get().catch((error: unknown) => {
      if (hasCode(error, 'CREDENTIALS_UNREACHABLE')) throw error;
    });
  };
  return { source, cache, warnings, probe };
}
