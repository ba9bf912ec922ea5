import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDaemon } from '../../src/cli/ask-daemon';
import type { StatusDocument } from '../../src/control/protocol';
import { type BenchSite, BUCKET, REGION } from './bench-site';
import type { Measured, Moved, Run } from './competitor';
import { judgeLimit, type Row, type Target } from './judge-row';
import { withDaemon } from './with-daemon';

const KIB = 1024;
const ASK_EVERY_MS = 50;
const FOLDERS = 100;
const FILE_BYTES = 1_000;
/** Nobody listens there: of the ports below 1024, `discard` answers nowhere. */
const CLOSED_PORT = 9;

/**
 * Row 7: files that lie in an outbox before the daemon starts, S3 and credentials out of reach. What is measured is the
 * whole claim: files moved, data and names on the disk, a row of each committed. A row counts when the status counts it,
 * which is after its commit; the time runs from the daemon's first moment, so that opening the ledger is in it.
 */
export class BacklogMeasurement {
  constructor(
    private readonly site: Pick<BenchSite, 'dir' | 'certificates'>,
    private readonly guard: (pid: number | null) => void,
    private readonly size: { readonly backlogFiles: number; readonly backlogRounds: number },
    private readonly print: (line: string) => void,
  ) {}

  async measure(): Promise<Row[]> {
    const { backlogFiles, backlogRounds } = this.size;
    const spread: Run[] = [];
    const flat: Run[] = [];
    for (let round = 0; round < backlogRounds; round += 1) {
      spread.push(await this.run(FOLDERS));
      flat.push(await this.run(1));
    }
    const load = `${backlogFiles} waiting files`;
    const filesPerSecond = ({ wallMs }: Moved): number => backlogFiles / (wallMs / 1000);
    const cpuPerFile = ({ cpuMs }: Moved): number => (cpuMs * 1000) / backlogFiles;
    const rssMib = ({ peakRssKib }: Moved): number => peakRssKib / KIB;
    const rate: Target = { is: 'at least', limit: 15_000 };
    const memory: Target = { is: 'at most', limit: 130 };
    const beside: Target = { is: 'printed beside', limit: 0 };
    return [
      judgeLimit('7a', `${load} in ${FOLDERS} folders: claimed files/s`, filesPerSecond, spread, rate, '/s'),
      judgeLimit('7b', `${load} in one folder: claimed files/s`, filesPerSecond, flat, rate, '/s'),
      judgeLimit('7c', `${load}: peak RSS of the daemon, MiB`, rssMib, [...spread, ...flat], memory, 'MiB'),
      judgeLimit('7d', `${load}: CPU µs per file`, cpuPerFile, [...spread, ...flat], beside, 'µs'),
    ];
  }

  private async run(folders: number): Promise<Run> {
    const { backlogFiles } = this.size;
    const what = `${backlogFiles} waiting files in ${folders === 1 ? 'one folder' : `${folders} folders`}`;
    try {
      const run = await this.claim(folders);
      this.print(
        `${what}  ${Math.round(backlogFiles / (run.wallMs / 1000))} files/s  ` +
          `cpu ${((run.cpuMs * 1000) / backlogFiles).toFixed(0)} µs a file  rss ${(run.peakRssKib / KIB).toFixed(0)} MiB`,
      );
      return { ok: true, ...run, requests: 0, firstRequestMs: 0 }; // nobody is asked here
    } catch (error) {
      this.print(`${what}  FAILED: ${(error as Error).message}`);
      return { ok: false, reason: (error as Error).message };
    }
  }

  private claim(folders: number): Promise<Measured> {
    const { backlogFiles } = this.size;
    const dir = mkdtempSync(join(this.site.dir, 'backlog-'));
    const outbox = join(dir, 'outbox');
    writeFiles(outbox, backlogFiles, folders);
    const config = {
      thing: { name: 'bench', ...this.site.certificates.device },
      s3: { bucket: BUCKET, region: REGION, endpoint: `https://localhost:${CLOSED_PORT}`, pathStyle: true },
      credentials: { source: 'role-alias', roleAlias: { endpoint: `localhost:${CLOSED_PORT}`, alias: 'bench' } },
      outboxes: [{ path: outbox, key: '{thing}/outbox/{path}', settleSeconds: 0 }],
    };
    return withDaemon(dir, config, this.guard, async ({ stateDir, startedAtNs, readAccounts }) => {
      for (;;) {
        // It listens from the moment the ledger is open.
        const status = await askDaemon<StatusDocument>(stateDir, { command: 'status' }).catch(() => undefined);
        const { queued = 0, uploading = 0, done = 0, failed = 0 } = status?.uploads ?? {};
        if (done + failed > 0) throw new Error('S3 should have been out of reach');
        if (queued + uploading === backlogFiles) {
          const { tree, daemon } = readAccounts();
          const cpuMs = tree.reduce((sum, one) => sum + one.cpuMs, 0);
          const wallMs = status!.nowMs - status!.startedAtMs;
          return { wallMs, cpuMs, peakRssKib: daemon.peakRssKib, startedAtNs };
        }
        await sleep(ASK_EVERY_MS);
      }
    });
  }
}

/** Names in no order, as a folder of many gives them. */
function writeFiles(outbox: string, files: number, folders: number): void {
  const content = Buffer.alloc(FILE_BYTES, 'x');
  for (let folder = 0; folder < folders; folder += 1) {
    const path = folders === 1 ? outbox : join(outbox, `day-${folder}`);
    mkdirSync(path, { recursive: true });
    for (let i = folder; i < files; i += folders) writeFileSync(join(path, `reading-${i}.csv`), content);
  }
}
