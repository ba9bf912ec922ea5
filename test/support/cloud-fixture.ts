import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { LocalCloud, type LocalCloudOptions } from '../local-cloud/local-cloud';
import { type RawCredentials, RawS3 } from './cloud-raw-s3';

/** A cloud in a temporary folder, and clients of it; `stop` takes all of it away again. */
export class CloudFixture {
  private readonly clients: { destroy?: () => void; close?: () => void }[] = [];

  private constructor(
    readonly dir: string,
    readonly cloud: LocalCloud,
  ) {}

  static async start(options: Omit<LocalCloudOptions, 'dir'> = {}): Promise<CloudFixture> {
    const dir = mkdtempSync(join(tmpdir(), 'local-cloud-'));
    return new CloudFixture(dir, await LocalCloud.start({ dir, ...options }));
  }

  /** The real SDK, by default as admin, without retries. */
  s3(
    { accessKeyId, secretAccessKey, sessionToken }: RawCredentials = this.cloud.admin,
    options: { region?: string } = {},
  ): S3Client {
    const client = new S3Client({
      endpoint: this.cloud.s3Endpoint,
      forcePathStyle: true,
      region: this.cloud.region,
      // Without an expiration: what the endpoint gives is a text, and the SDK would want to judge it.
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
      maxAttempts: 1,
      requestHandler: { httpsAgent: new Agent({ ca: readFileSync(this.cloud.caFile), keepAlive: true }) },
      ...options,
    });
    this.clients.push(client);
    return client;
  }

  raw(credentials: RawCredentials = this.cloud.admin): RawS3 {
    const client = new RawS3(this.cloud.s3Endpoint, this.cloud.caFile, credentials, this.cloud.region);
    this.clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.clients) {
      client.destroy?.();
      client.close?.();
    }
    await this.cloud.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** 'ok', or the error as `<status> <name>`. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    return `${error.$metadata.httpStatusCode} ${error.name}`;
  }
}
