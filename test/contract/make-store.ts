import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { CredentialsSource, SessionCredentials } from '../../src/aws/credentials/session-credentials';
import { ConnectionPool } from '../../src/aws/s3/connection-pool';
import { S3Connection } from '../../src/aws/s3/s3-connection';
import { S3InboxStore, type S3InboxStoreOptions } from '../../src/aws/s3/s3-inbox-store';
import { S3ObjectStore, type S3ObjectStoreOptions } from '../../src/aws/s3/s3-object-store';
import type { InboxStore } from '../../src/inbox/inbox-store';
import type { ObjectStore } from '../../src/upload/object-store';
import type { Engine, TemporaryKeys } from '../engines/engine';
import { silentLog } from '../support/silent-log';

export interface ConnectionOptions {
  readonly bucket: string;
  readonly endpoint?: string;
  /** Trust the system's authorities, of which the engine's is none. */
  readonly systemTrust?: boolean;
  /** Asked again after S3 has called the keys before expired. */
  readonly renew?: () => Promise<TemporaryKeys>;
  /** So far from the time of day does this device believe it is. Milliseconds. */
  readonly clockErrorMs?: number;
  /** No answer for so long is none. */
  readonly stallMs?: number;
}

export type StoreOptions = ConnectionOptions & Partial<Omit<S3ObjectStoreOptions, 'connection'>>;
export type InboxOptions = ConnectionOptions & Partial<Omit<S3InboxStoreOptions, 'connection'>>;

/** The store under contract, at one engine, with the keys of one role. `close` ends its connections. */
export function makeStore(
  engine: Engine,
  keys: TemporaryKeys,
  options: StoreOptions,
): { store: ObjectStore; close: () => void } {
  const connection = makeConnection(engine, keys, options);
  const store = new S3ObjectStore({
    integrity: 'crc32',
    payload: 'unsigned',
    expectedBucketOwner: undefined,
    storageClass: undefined,
    kmsKeyId: undefined,
    tags: {},
    ...options,
    connection,
  });
  return { store, close: () => connection.close() };
}

/** The same for the way down. */
export function makeInboxStore(
  engine: Engine,
  keys: TemporaryKeys,
  options: InboxOptions,
): { store: InboxStore; close: () => void } {
  const connection = makeConnection(engine, keys, options);
  const store = new S3InboxStore({
    expectedBucketOwner: undefined,
    copyMaxBytes: 5 * 1024 ** 3,
    heedsConditions: true,
    stallMs: 10_000,
    log: silentLog,
    ...options,
    connection,
  });
  return { store, close: () => connection.close() };
}

function makeConnection(
  engine: Engine,
  keys: TemporaryKeys,
  {
    bucket,
    endpoint = engine.endpoint,
    renew = async () => keys,
    clockErrorMs = 0,
    stallMs = 10_000,
    systemTrust,
  }: ConnectionOptions,
): S3Connection {
  const ca = engine.caFile === undefined || systemTrust === true ? undefined : readFileSync(engine.caFile);
  const nowMs = () => Date.now() + clockErrorMs;
  let offsetMs = 0;
  return new S3Connection({
    bucket,
    region: engine.region,
    endpoint,
    pathStyle: engine.pathStyle,
    dualStack: false,
    fips: false,
    stallMs,
    credentials: new RenewedKeys(keys, renew),
    connections: new ConnectionPool(ca, 16),
    agent: endpoint.startsWith('http:')
      ? new HttpAgent({ keepAlive: true })
      : new HttpsAgent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) }),
    clockOffsetMs: () => offsetMs,
    onServerDate: (date) => {
      const serverMs = Date.parse(date ?? '');
      if (Math.abs(serverMs - nowMs()) > 60_000) offsetMs = serverMs - nowMs();
    },
    onRegion: () => {},
    nowMs,
  });
}

class RenewedKeys implements CredentialsSource {
  constructor(
    private keys: TemporaryKeys,
    private readonly renew: () => Promise<TemporaryKeys>,
  ) {}

  private stale = false;

  async get(): Promise<SessionCredentials> {
    if (this.stale) this.keys = await this.renew();
    this.stale = false;
    return this.keys;
  }

  invalidate(used: SessionCredentials): void {
    if (used.sessionToken === this.keys.sessionToken) this.stale = true;
  }

  isExpired(): boolean {
    return this.keys.expiration.getTime() <= Date.now();
  }
}
