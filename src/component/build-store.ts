import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import type { CredentialsSource } from '../aws/credentials/session-credentials';
import { TunnelAgent } from '../aws/proxy/tunnel-agent';
import { ConnectionPool } from '../aws/s3/connection-pool';
import { S3Connection } from '../aws/s3/s3-connection';
import { S3ObjectStore } from '../aws/s3/s3-object-store';
import type { Clock } from '../clock';
import type { Config } from '../config/schema';
import type { ChooseProxy } from '../domain/choose-proxy';
import { UsageError } from '../domain/errors';
import type { ServerClock } from '../link/server-clock';
import type { Log } from '../log';

export interface StoreSurroundings {
  readonly credentials: CredentialsSource;
  readonly serverClock: ServerClock;
  readonly chooseProxy: ChooseProxy;
  readonly clock: Clock;
  readonly log: Log;
}

/** The bucket of the configuration. @throws UsageError */
export function buildStore(
  { s3, upload }: Config,
  { credentials, serverClock, chooseProxy, clock, log }: StoreSurroundings,
): { readonly connection: S3Connection; readonly store: S3ObjectStore } {
  const stallMs = upload.stallSeconds * 1000;
  const plain = s3.endpoint?.startsWith('http:') === true;
  // No limit of its own: files, parts and memory bound the requests, and one that waits for a socket would age.
  const pool = { keepAlive: true, maxFreeSockets: upload.parallelFiles };
  const ca = s3.caFile === undefined || plain ? undefined : readCa(s3.caFile);
  const connection = new S3Connection({
    bucket: s3.bucket!, // the configuration was refused without it
    region: s3.region!,
    endpoint: s3.endpoint,
    pathStyle: s3.pathStyle,
    dualStack: s3.dualStack,
    fips: s3.fips,
    stallMs,
    credentials,
    connections: new ConnectionPool(ca, upload.parallelFiles, chooseProxy),
    agent: plain
      ? new HttpAgent(pool)
      : new TunnelAgent(chooseProxy, stallMs, { ...pool, ...(ca === undefined ? {} : { ca }) }),
    clockOffsetMs: () => serverClock.offsetMs,
    onServerDate: (date) => serverClock.learn(date),
    onRegion: (region) =>
      log.warn({ reason: `the bucket is in ${region}; set s3.region to it` }, 'following the bucket to its region'),
    nowMs: () => clock.nowMs(),
  });
  const store = new S3ObjectStore({
    connection,
    integrity: upload.integrity,
    payload: plain ? 'signed' : upload.payload,
    expectedBucketOwner: s3.expectedBucketOwner,
    storageClass: s3.storageClass,
    kmsKeyId: s3.kmsKeyId,
    tags: s3.tags,
  });
  return { connection, store };
}

/** @throws UsageError */
export function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new UsageError(
      `cannot read the CA certificates ${file} (${(cause as NodeJS.ErrnoException).code}); check s3.caFile`,
      { cause },
    );
  }
}
