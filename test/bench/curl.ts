import { join } from 'node:path';
import { type BenchSite, BUCKET } from './bench-site';
import { cleanEnvironment } from './clean-environment';
import type { Competitor } from './competitor';
import { measureCommand } from './measure-command';

/** The limit: one PUT of one file, no signature, no checksum, no multipart. */
export function curl(site: BenchSite): Competitor {
  return {
    name: 'curl -T',
    keyPrefix: 'curl/',
    move: ({ dir, files }) => {
      const [file] = files;
      if (file === undefined || files.length > 1) throw new Error('curl moves one file');
      const url = `https://localhost:${site.s3Port}/${BUCKET}/curl/${file.name}`;
      const flags = ['-q', '-sS', '--fail', '--cacert', site.certificates.caFile];
      return measureCommand(['curl', ...flags, '-T', join(dir, file.name), url], cleanEnvironment(site.dir));
    },
  };
}
