import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchSite, BUCKET, REGION } from './bench-site';
import { cleanEnvironment } from './clean-environment';
import type { Competitor } from './competitor';
import { measureCommand } from './measure-command';

/** `rclone copy` of the folder, nothing asked of the bucket before or after. */
export function rclone(name: string, site: BenchSite, flags: readonly string[]): Competitor {
  const configFile = join(site.dir, 'rclone.conf');
  writeFileSync(configFile, '');
  const remote = {
    TYPE: 's3',
    // "AWS" insists on virtual hosts, and nobody resolves bench.localhost.
    PROVIDER: 'Other',
    ACCESS_KEY_ID: site.keys.accessKeyId,
    SECRET_ACCESS_KEY: site.keys.secretAccessKey,
    SESSION_TOKEN: site.keys.sessionToken,
    ENDPOINT: `https://localhost:${site.s3Port}`,
    REGION,
    NO_CHECK_BUCKET: 'true',
  };
  const env = cleanEnvironment(site.dir, {
    RCLONE_CONFIG: configFile,
    RCLONE_CA_CERT: site.certificates.caFile,
    ...Object.fromEntries(Object.entries(remote).map(([key, value]) => [`RCLONE_CONFIG_NULL_${key}`, value])),
  });
  const fixed = ['--s3-no-head', '--no-check-dest', '--retries', '1'];
  return {
    name,
    keyPrefix: 'rclone/',
    move: ({ dir }) => measureCommand(['rclone', 'copy', dir, `null:${BUCKET}/rclone`, ...fixed, ...flags], env),
  };
}
