import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BacklogMeasurement } from './backlog-measurement';
import type { BenchSite } from './bench-site';
import { Courier } from './courier';
import { describeDisk } from './describe-disk';
import { DownMeasurement } from './down-measurement';
import { formatRows } from './format-rows';
import { findPeers } from './installed-peers';
import { NullS3Process } from './null-s3-process';
import { RowMeasurement } from './row-measurement';
import { writeCertificates } from './write-certificates';

const MIB = 1024 * 1024;
const FULL = {
  largeBytes: 1024 * MIB,
  largeRounds: 5,
  smallFiles: 5_000,
  smallRounds: 7,
  downFiles: 1_000,
  downRounds: 3,
  backlogFiles: 100_000,
  backlogRounds: 3,
  idleMs: 10_000,
};
const SHORT = {
  largeBytes: 128 * MIB,
  largeRounds: 2,
  smallFiles: 500,
  smallRounds: 2,
  downFiles: 200,
  downRounds: 1,
  backlogFiles: 5_000,
  backlogRounds: 1,
  idleMs: 3_000,
};

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    short: { type: 'boolean' },
    rows: { type: 'string', default: '1,2,3,4,5,6,7' },
    backlog: { type: 'string' },
  },
});

/** As long as those of AWS: a session token of 1,100 characters. */
const KEYS = {
  accessKeyId: 'ASIABENCHBENCHBENCH0',
  secretAccessKey: 'bench'.repeat(8),
  sessionToken: 'IQoJb3JpZ2luX2VjE'.padEnd(1_100, 'Ab3'),
};

/** Of the last minute: before we start it is other people's. */
const describeLoad = (): string => `load average ${loadavg()[0]?.toFixed(2)}`;

async function bench(dir: string): Promise<number> {
  const certificates = await writeCertificates(dir, 'bench');
  const nullS3 = await NullS3Process.start({ dir, ...certificates.server, caFile: certificates.caFile, ...KEYS });
  try {
    const { s3Port, credentialsPort } = nullS3;
    const site: BenchSite = { dir, s3Port, credentialsPort, certificates, keys: KEYS };
    const peers = findPeers(site);
    console.log([`node ${process.version}`, `${cpus().length} cores`, describeDisk(dir), describeLoad()].join(', '));
    console.log(peers.versions.join('\n'));
    const wanted = new Set(options.rows.split(','));
    const usual = options.short ? SHORT : FULL;
    const size = { ...usual, backlogFiles: Number(options.backlog ?? usual.backlogFiles) };
    const print = (line: string): void => console.log(line);
    const rows = await new RowMeasurement(
      nullS3,
      new Courier(site, (pid) => nullS3.guard(pid)),
      peers,
      size,
      dir,
      print,
    ).measure(wanted);
    const guard = (pid: number | null): void => nullS3.guard(pid);
    if (wanted.has('6')) rows.push(...(await new DownMeasurement(dir, guard, size, print).measure()));
    if (wanted.has('7')) rows.push(...(await new BacklogMeasurement(site, guard, size, print).measure()));
    console.log(`at the end: ${describeLoad()}`);
    console.log(formatRows(rows));
    if (options.json) console.log(JSON.stringify({ rows }));
    const failed = rows.some(({ value, met }) => (options.short ? value === null : met === false));
    return failed ? 1 : 0;
  } finally {
    await nullS3.stop();
  }
}

const dir = mkdtempSync(join(tmpdir(), 'courier-bench-'));
bench(dir)
  .finally(() => rmSync(dir, { recursive: true, force: true }))
  .then(
    (code) => process.exit(code),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
