import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchSite, BUCKET, REGION } from './bench-site';
import { cleanEnvironment } from './clean-environment';
import type { Competitor } from './competitor';
import { measureCommand } from './measure-command';

/** `aws s3 cp` as it comes. @param program its real path: a shim in front of it would be counted */
export function awsCli(program: string, site: BenchSite): Competitor {
  const configFile = join(site.dir, 'aws-config');
  writeFileSync(configFile, '[default]\ns3 =\n  addressing_style = path\n');
  const env = cleanEnvironment(site.dir, {
    AWS_CONFIG_FILE: configFile,
    AWS_ACCESS_KEY_ID: site.keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: site.keys.secretAccessKey,
    AWS_SESSION_TOKEN: site.keys.sessionToken,
    AWS_DEFAULT_REGION: REGION,
    AWS_CA_BUNDLE: site.certificates.caFile,
    AWS_EC2_METADATA_DISABLED: 'true',
  });
  const flags = ['--recursive', '--only-show-errors', '--endpoint-url', `https://localhost:${site.s3Port}`];
  return {
    name: 'aws-cli',
    keyPrefix: 'aws-cli/',
    move: ({ dir }) => measureCommand([program, 's3', 'cp', dir, `s3://${BUCKET}/aws-cli/`, ...flags], env),
  };
}
