import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDaemon } from '../../src/cli/ask-daemon';
import type { StatusDocument } from '../../src/control/protocol';
import { BUCKET, REGION } from './bench-site';
import { cleanEnvironment } from './clean-environment';
import type { Measured, Moved, Run } from './competitor';
import { DownCloud } from './down-cloud';
import { findVersion } from './find-version';
import { judgeRatio, type Row, type Side } from './judge-row';
import { measureCommand } from './measure-command';
import { withDaemon } from './with-daemon';

const KIB = 1024;
const ASK_EVERY_MS = 20;
const NOT_ASKED = { is: 'printed beside', limit: 0 } as const;

/**
 * Row 6: small objects that come down, against `rclone move`. Ours does more: it looks what S3 knows of each, holds the
 * file to that, makes it durable, and moves the object to the archive instead of deleting it.
 */
export class DownMeasurement {
  constructor(
    private readonly dir: string,
    private readonly guard: (pid: number | null) => void,
    private readonly size: { readonly downFiles: number; readonly downRounds: number },
    private readonly print: (line: string) => void,
  ) {}

  async measure(): Promise<Row[]> {
    const { downRounds } = this.size;
    const dir = mkdtempSync(join(this.dir, 'down-'));
    const cloud = await DownCloud.start(dir);
    try {
      const { certificateFile, privateKeyFile } = await cloud.createDevice();
      const device = { certificateFile, privateKeyFile };
      const ours: Run[] = [];
      const theirs: Run[] = [];
      const isThere =
        findVersion('rclone', 'version') !== undefined && findVersion('python3', '--version') !== undefined;
      for (let round = 0; round < downRounds; round += 1) {
        ours.push(await this.run(cloud, 'courier', 'archive/', () => this.courier(cloud, device, dir)));
        if (isThere) theirs.push(await this.run(cloud, 'rclone move', undefined, () => this.rclone(cloud, dir)));
      }
      return this.judge(ours, isThere ? theirs : { absent: 'rclone, or python3 for the accounts, is not installed' });
    } finally {
      await cloud.stop();
      rmSync(dir, { recursive: true });
    }
  }

  private judge(ours: Side, theirs: Side): Row[] {
    const { downFiles } = this.size;
    const load = `${downFiles} × 4 KiB down`;
    const filesPerSecond = ({ wallMs }: Moved): number => downFiles / (wallMs / 1000);
    const cpuPerFileMs = ({ cpuMs }: Moved): number => cpuMs / downFiles;
    return [
      judgeRatio(
        '6a',
        `${load}: files/s, start to archived, against rclone move`,
        filesPerSecond,
        ours,
        theirs,
        NOT_ASKED,
      ),
      judgeRatio('6b', `${load}: CPU ms per file against rclone move`, cpuPerFileMs, ours, theirs, NOT_ASKED),
    ];
  }

  /** @param archive where the objects have to be afterwards; undefined: nowhere */
  private async run(
    cloud: DownCloud,
    name: string,
    archive: string | undefined,
    move: () => Promise<Measured>,
  ): Promise<Run> {
    const { downFiles } = this.size;
    const prefix = `${DownCloud.thing}/`;
    const before = archive === undefined ? 0 : await cloud.count(prefix + archive);
    await cloud.fill(`${prefix}inbox/`, downFiles, 4 * KIB);
    const run = await move().then(
      (measured): Run => ({ ok: true, ...measured, requests: 0, firstRequestMs: 0 }), // nobody counts here
      (error: Error): Run => ({ ok: false, reason: error.message }),
    );
    this.print(`${downFiles} × 4 KiB down  ${name.padEnd(13)} ${describe(run)}`);
    const left = await cloud.count(`${prefix}inbox/`);
    if (run.ok && left > 0) return { ok: false, reason: `${left} objects are still in the inbox` };
    if (!run.ok || archive === undefined) return run;
    const archived = (await cloud.count(prefix + archive)) - before;
    return archived === downFiles ? run : { ok: false, reason: `${archived} of ${downFiles} are in the archive` };
  }

  private courier(cloud: DownCloud, device: object, above: string): Promise<Measured> {
    const { s3Endpoint, credentialsEndpoint, caFile } = cloud.places;
    const dir = mkdtempSync(join(above, 'courier-'));
    const folder = join(dir, 'inbox');
    const config = {
      thing: { name: DownCloud.thing, ...device },
      s3: { bucket: BUCKET, region: REGION, endpoint: s3Endpoint, pathStyle: true, caFile },
      credentials: { source: 'role-alias', roleAlias: { endpoint: credentialsEndpoint, alias: 'bench', caFile } },
      outboxes: [],
      inbox: { dir: folder, pollMinutes: 0 },
    };
    return withDaemon(dir, config, this.guard, async ({ stateDir, startedAtNs, readAccounts }) => {
      for (;;) {
        // It listens from the moment the ledger is open.
        const status = await askDaemon<StatusDocument>(stateDir, { command: 'status' }).catch(() => undefined);
        if (status?.inbox?.lastLookAtMs !== undefined && status.inbox.open === 0) break;
        await sleep(ASK_EVERY_MS);
      }
      const wallMs = Number(process.hrtime.bigint() - startedAtNs) / 1e6;
      const { tree, daemon } = readAccounts();
      requireFiles(folder, this.size.downFiles);
      const cpuMs = tree.reduce((sum, one) => sum + one.cpuMs, 0);
      return { wallMs, cpuMs, peakRssKib: daemon.peakRssKib, startedAtNs };
    });
  }

  private async rclone(cloud: DownCloud, above: string): Promise<Measured> {
    const { s3Endpoint, caFile, admin } = cloud.places;
    const dir = mkdtempSync(join(above, 'rclone-'));
    const configFile = join(dir, 'rclone.conf');
    const remote = {
      TYPE: 's3',
      PROVIDER: 'Other',
      ACCESS_KEY_ID: admin.accessKeyId,
      SECRET_ACCESS_KEY: admin.secretAccessKey,
      ENDPOINT: s3Endpoint,
      REGION,
      LIST_VERSION: '2',
      NO_CHECK_BUCKET: 'true',
    };
    writeFileSync(configFile, '');
    const env = cleanEnvironment(dir, {
      RCLONE_CONFIG: configFile,
      RCLONE_CA_CERT: caFile,
      ...Object.fromEntries(Object.entries(remote).map(([key, value]) => [`RCLONE_CONFIG_CLOUD_${key}`, value])),
    });
    const folder = join(dir, 'landed');
    mkdirSync(folder);
    const from = `cloud:${BUCKET}/${DownCloud.thing}/inbox`;
    const measured = await measureCommand(['rclone', 'move', from, folder, '--transfers', '16', '--retries', '1'], env);
    requireFiles(folder, this.size.downFiles);
    rmSync(dir, { recursive: true });
    return measured;
  }
}

function describe(run: Run): string {
  if (!run.ok) return `FAILED: ${run.reason}`;
  const seconds = (ms: number): string => (ms / 1000).toFixed(2);
  return `wall ${seconds(run.wallMs)} s  cpu ${seconds(run.cpuMs)} s  rss ${(run.peakRssKib / KIB).toFixed(0)} MiB`;
}

function requireFiles(folder: string, count: number): void {
  const landed = readdirSync(folder).length;
  if (landed !== count) throw new Error(`${landed} of ${count} files have landed`);
}
