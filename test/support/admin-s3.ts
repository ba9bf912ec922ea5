import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import type { LocalCloud } from '../local-cloud/local-cloud';

/** The account's owner, who puts objects into buckets. To be destroyed. */
export function adminS3(cloud: LocalCloud): S3Client {
  const { accessKeyId, secretAccessKey } = cloud.admin;
  return new S3Client({
    endpoint: cloud.s3Endpoint,
    forcePathStyle: true,
    region: cloud.region,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
    requestHandler: { httpsAgent: new Agent({ ca: readFileSync(cloud.caFile), keepAlive: true }) },
  });
}
