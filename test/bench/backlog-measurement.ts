import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { askDaemon } from '../../src/cli/ask-daemon';
import type { StatusDocument } from '../../src/control/protocol';
import { type BenchSite, BUCKET, REGION } from './bench-site';
import { cleanEnvironment } from './clean-environment';
import type { Measured, Moved, Run } from './competitor';
import { judgeLimit, judgeRatio, type Row, type Side, type Target } from './judge-row';
import { withDaemon } from './with-daemon';

const run = promisify(execFile);
const BARE_CLAIM = join(__dirname, 'bare-claim.ts');
const KIB = 1024;
const ASK_EVERY_MS = 50;
const FOLDERS = 100;
const FILE_BYTES = 1_000;
/** Nobody listens there: of the ports below 1024, `discard` answers nowhere. */
const CLOSED_PORT = 9;

/**
 * Row 7: files that lie in an outbox before the daemon starts, S3 and credentials out of reach. What is measured is the
 * whole claim: files moved, data and names on the disk, a row of each committed. A row counts when the status counts it,
 * which is after its commit; the time runs from the daemon's first moment, so that opening the ledger is in it. The peer
 * is a loop that makes the same system calls and does nothing else (bare-claim.ts): what a disk and its kernel allow.
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
    const bareSpread: Run[] = [];
    const bareFlat: Run[] = [];
    for (let round = 0; round < backlogRounds; round += 1) {
      spread.push(await this.run('courier', FOLDERS));
      bareSpread.push(await this.run('bare loop', FOLDERS));
      flat.push(await this.run('courier', 1));
      bareFlat.push(await this.run('bare loop', 1));
    }
    const load = `${backlogFiles} waiting files`;
    const filesPerSecond = ({ wallMs }: Moved): number => backlogFiles / (wallMs / 1000);
    const cpuPerFile = ({ cpuMs }: Moved): number => (cpuMs * 1000) / backlogFiles;
    const rssMib = ({ peakRssKib }: Moved): number => peakRssKib / KIB;
    const rate: Target = { is: 'at least', limit: 15_000 };
    const memory: Target = { is: 'at most', limit: 130 };
    const beside: Target = { is: 'printed beside', limit: 0 };
    const claimed = (id: string, where: string, ours: Side, bare: Side): Row => {
      const what = `${load} in ${where}: claimed files/s, and by a bare loop`;
      const { peer, ratio } = judgeRatio(id, what, filesPerSecond, ours, bare, beside);
      return { ...judgeLimit(id, what, filesPerSecond, ours, rate, '/s'), peer, ratio };
    };
    return [
      claimed('7a', `${FOLDERS} folders`, spread, bareSpread),
      claimed('7b', 'one folder', flat, bareFlat),
      judgeLimit('7c', `${load}: peak RSS of the daemon, MiB`, rssMib, [...spread, ...flat], memory, 'MiB'),
      judgeLimit('7d', `${load}: CPU µs per file`, cpuPerFile, [...spread, ...flat], beside, 'µs'),
    ];
  }

  private async run(who: 'courier' | 'bare loop', folders: number): Promise<Run> {
    const { backlogFiles } = this.size;
    const what = `${who.padEnd(9)} ${backlogFiles} waiting files in ${folders === 1 ? 'one folder' : `${folders} folders`}`;
    const dir = mkdtempSync(join(this.site.dir, 'backlog-'));
    writeFiles(join(dir, 'outbox'), backlogFiles, folders);
    try {
      const run = await (who === 'courier' ? this.claim(dir) : this.claimBarely(dir));
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

  private async claimBarely(dir: string): Promise<Measured> {
    const startedAtNs = process.hrtime.bigint();
    try {
      await run('sync', ['-f', dir]);
      const program = ['--import', 'tsx', BARE_CLAIM, join(dir, 'outbox'), dir];
      const { stdout } = await run(process.execPath, program, { env: cleanEnvironment(dir) });
      const { files, ...measured } = JSON.parse(stdout) as Omit<Measured, 'startedAtNs'> & { readonly files: number };
      if (files !== this.size.backlogFiles) throw new Error(`it claimed ${files} files`);
      return { ...measured, startedAtNs };
    } finally {
      rmSync(dir, { recursive: true });
    }
  }

  private claim(dir: string): Promise<Measured> {
    const { backlogFiles } = this.size;
    const outbox = join(dir, 'outbox');
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
