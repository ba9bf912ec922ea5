import { CachedCredentials, type FreshCredentials } from '../aws/credentials/cached-credentials';
import { CredentialLadder, type Rung } from '../aws/credentials/credential-ladder';
import { MqttToken } from '../aws/credentials/mqtt-token';
import { RoleAlias } from '../aws/credentials/role-alias';
import type { CredentialsSource } from '../aws/credentials/session-credentials';
import { TokenExchange } from '../aws/credentials/token-exchange';
import type { Clock } from '../clock';
import type { Config, SourceName } from '../config/schema';
import type { CredentialsStatus } from '../control/protocol';
import type { ChooseProxy } from '../domain/choose-proxy';
import { asTransferError, UsageError } from '../domain/errors';
import type { ServerClock } from '../link/server-clock';
import type { Log } from '../log';
import type { Bus } from '../messages/bus';

export interface Credentials {
  readonly cache: CredentialsSource;
  readonly status: CredentialsStatus;
  readonly warnings: readonly string[];
  /** Monotonic milliseconds until when no source is asked. */
  readonly againAtMs: number | undefined;
  /** Resolves when a source answers; a refusal is an answer too. @throws TransferError CREDENTIALS_UNREACHABLE, CREDENTIALS_UNWELL */
  probe(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

export interface CredentialsEdge {
  readonly tokenExchange: { readonly uri: string; readonly authorization: string } | undefined;
  /** To AWS IoT, where there is one. */
  readonly bus: Bus | undefined;
  readonly chooseProxy: ChooseProxy;
  /** Who waits for credentials may get some now. */
  readonly onReady: () => void;
  readonly clock: Clock;
  readonly serverClock: ServerClock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
}

interface Source {
  readonly fetch: () => Promise<FreshCredentials>;
  readonly warnings?: readonly string[];
  readonly start?: () => void;
  readonly stop?: () => Promise<void>;
}

/** Undefined where nothing is set up and nothing needs it. @throws UsageError */
export function buildCredentials(config: Config, edge: CredentialsEdge): Credentials | undefined {
  const names = namesOf(config, edge);
  if (names === undefined) return undefined;
  const { clock, dice, log } = edge;
  const probeMaxMs = config.upload.probeMaxSeconds * 1000;
  const sources: Source[] = [];
  const rungs: Rung[] = names.map((name) => {
    const onPushed = (fresh: FreshCredentials): void => {
      cache.take(fresh);
      edge.onReady();
    };
    const source = BUILDERS[name](config, edge, onPushed);
    const cache = new CachedCredentials({ fetch: source.fetch, probeMaxMs, clock, dice });
    sources.push(source);
    return { name, cache };
  });
  const ladder = new CredentialLadder({
    rungs,
    probeMaxMs,
    clock,
    dice,
    onMoved: (source, reason) =>
      reason === undefined
        ? log.info({ source }, 'credentials come from the first source again')
        : log.warn({ source, reason }, 'credentials come from another source'),
  });
  return {
    cache: ladder,
    warnings: sources.flatMap(({ warnings = [] }) => warnings),
    get status() {
      return statusOf(ladder, rungs, clock);
    },
    get againAtMs() {
      return ladder.againAtMs;
    },
    probe: async () => {
      await ladder.get().catch((error: unknown) => {
        if (asTransferError(error).recovery === 'await-link') throw error;
      });
    },
    start: () => {
      for (const source of sources) source.start?.();
    },
    stop: async () => {
      await Promise.all(sources.map((source) => source.stop?.()));
    },
  };
}

function namesOf(config: Config, { tokenExchange }: CredentialsEdge): readonly SourceName[] | undefined {
  const { source, roleAlias } = config.credentials;
  if (source !== 'auto') return typeof source === 'string' ? [source] : source;
  if (tokenExchange !== undefined) return ['token-exchange'];
  const { certificateFile, privateKeyFile } = config.thing;
  if ([roleAlias.endpoint, roleAlias.alias, certificateFile, privateKeyFile].every((one) => one !== undefined))
    return ['role-alias'];
  const { outboxes, inbox, jobs } = config;
  if (outboxes.length === 0 && inbox.dir === undefined && jobs.uploadRoots.length === 0) return undefined;
  throw new UsageError(
    'no way to credentials: set credentials.roleAlias.endpoint and .alias with thing.certificateFile and .privateKeyFile, or run as a Greengrass component',
  );
}

function statusOf(ladder: CredentialLadder, rungs: readonly Rung[], clock: Clock): CredentialsStatus {
  const inUse = ladder.inUse;
  return {
    source: inUse.name,
    expiresInSeconds: inUse.cache.expiresInSeconds,
    sources: rungs.map(({ name, cache }) => ({
      source: name,
      inUse: name === inUse.name,
      ...(cache.failure === undefined
        ? {}
        : {
            code: cache.failure.code,
            reason: cache.failure.message,
            sinceMs: cache.failure.sinceMs,
            againInSeconds: Math.max(0, Math.round((cache.failure.againAtMs - clock.monotonicMs()) / 1000)),
          }),
    })),
  };
}

/** A source may be slow, and a stalled one must not be taken for dead at once. */
const timeoutOf = (config: Config): number => config.upload.stallSeconds * 1000;

const BUILDERS: Record<
  SourceName,
  (config: Config, edge: CredentialsEdge, onPushed: (fresh: FreshCredentials) => void) => Source
> = {
  'token-exchange': (config, { tokenExchange, serverClock }) => {
    if (tokenExchange === undefined)
      throw new UsageError(
        'credentials.source is token-exchange, but no Greengrass nucleus offers it here; use role-alias, or run as a component',
      );
    const exchange = new TokenExchange({
      ...tokenExchange,
      timeoutMs: timeoutOf(config),
      nowMs: () => serverClock.nowMs(),
    });
    return { fetch: () => exchange.fetch() };
  },
  'role-alias': (config, { clock, serverClock, chooseProxy }) => {
    const { endpoint, alias, caFile, thingNameHeader } = config.credentials.roleAlias;
    const { certificateFile, privateKeyFile, name } = config.thing;
    const role = new RoleAlias({
      endpoint: endpoint!, // the configuration was refused without
      alias: alias!,
      certificateFile: certificateFile!,
      privateKeyFile: privateKeyFile!,
      caFile,
      thingName: thingNameHeader ? name : undefined,
      timeoutMs: timeoutOf(config),
      onServerDate: (date) => serverClock.learn(date),
      nowMs: () => clock.nowMs(),
      knownNowMs: () => serverClock.knownNowMs(),
      chooseProxy,
    });
    return { fetch: () => role.fetch(), warnings: role.findWarnings() };
  },
  'mqtt-token': (config, { bus, clock, dice, serverClock, onReady }, onPushed) => {
    if (bus === undefined)
      throw new UsageError(
        'credentials.source mqtt-token needs messages; set mqtt.endpoint, or run as a Greengrass component',
      );
    const { requestTopic, responseTopic, shadow } = config.credentials.mqttToken;
    const thing = config.thing.name ?? '';
    const forThing = (topic: string): string => topic.replaceAll('{thing}', thing);
    const token = new MqttToken({
      bus,
      thing,
      requestTopic: forThing(requestTopic),
      responseTopic: forThing(responseTopic),
      shadow,
      timeoutMs: timeoutOf(config),
      clock,
      dice,
      knownNowMs: () => serverClock.knownNowMs(),
      onPushed,
    });
    let unlisten = (): void => undefined;
    return {
      fetch: () => token.fetch(),
      start: () => {
        token.start();
        unlisten = bus.onConnected(onReady);
      },
      stop: () => {
        unlisten();
        return token.stop();
      },
    };
  },
};
