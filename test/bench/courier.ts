import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDaemon } from '../../src/cli/ask-daemon';
import type { StatusDocument } from '../../src/control/protocol';
import { type BenchSite, BUCKET, REGION } from './bench-site';
import { cleanEnvironment } from './clean-environment';
import type { Competitor, Measured } from './competitor';
import { type ProcessAccounts, readProcessTree } from './process-tree';
import type { SourceFiles } from './source-files';

const PROGRAM = join(__dirname, '../../dist/courier.js');
const ASK_EVERY_MS = 20;
const GIVE_UP_MS = 120_000;

/**
 * Ours: the bundle as a device runs it, with credentials of a role alias and a new ledger each time. Measured from
 * its start until the ledger says that every file is done: the CPU of launcher and daemon, the memory of the daemon.
 */
export class Courier implements Competitor {
  readonly name = 'courier';
  readonly keyPrefix = 'bench/outbox/';

  /** @param guard is told the pid of the daemon's launcher while there is one */
  constructor(
    private readonly site: BenchSite,
    private readonly guard: (pid: number | null) => void,
  ) {}

  move(source: SourceFiles, arrived: Promise<void>): Promise<Measured> {
    return this.withDaemon(source, async (child, stateDir, startedAtNs) => {
      await arrived;
      for (;;) {
        const { uploads } = await askDaemon<StatusDocument>(stateDir, { command: 'status' });
        if (uploads.failed + uploads.superseded > 0) throw new Error(`not all went well: ${JSON.stringify(uploads)}`);
        if (uploads.done === source.files.length) break;
        await sleep(ASK_EVERY_MS);
      }
      const wallMs = Number(process.hrtime.bigint() - startedAtNs) / 1e6;
      const { tree, launcher, daemon } = readLauncherAndDaemon(child);
      return {
        wallMs,
        cpuMs: tree.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
        peakRssKib: daemon.peakRssKib,
        launcherKib: launcher.privateKib,
        startedAtNs,
      };
    });
  }

  /** What an empty outbox takes after `idleMs`. @returns VmRSS and VmHWM in KiB */
  idle(idleMs: number): Promise<{ readonly rssKib: number; readonly peakRssKib: number }> {
    return this.withDaemon({ dir: '', files: [], totalBytes: 0 }, async (child, stateDir) => {
      await sleep(idleMs);
      await askDaemon<StatusDocument>(stateDir, { command: 'status' });
      return readLauncherAndDaemon(child).daemon;
    });
  }

  private async withDaemon<T>(
    source: SourceFiles,
    use: (child: ChildProcess, stateDir: string, startedAtNs: bigint) => Promise<T>,
  ): Promise<T> {
    const dir = join(this.site.dir, 'courier');
    const stateDir = join(dir, 'state');
    const logFile = join(dir, 'log');
    const configFile = this.prepare(dir, stateDir, source);
    const log = openSync(logFile, 'w');
    const startedAtNs = process.hrtime.bigint();
    const child = spawn(process.execPath, [PROGRAM, 'run', '--config', configFile], {
      env: cleanEnvironment(this.site.dir),
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.guard(child.pid ?? null);
    const exit = once(child, 'exit');
    const ended = exit.then(([code]) => {
      throw new Error(`the daemon ended with ${code}`);
    });
    ended.catch(() => undefined); // it does so each time, after what follows
    const late = sleep(GIVE_UP_MS, undefined, { ref: false }).then(() => {
      throw new Error(`not done after ${GIVE_UP_MS / 1000} s`);
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([use(child, stateDir, startedAtNs), ended, late]);
    } catch (cause) {
      const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' / ');
      throw new Error(`${(cause as Error).message}; its log ends: ${said.slice(-800)}`, { cause });
    } finally {
      child.kill('SIGTERM');
      await exit;
      this.guard(null);
      rmSync(dir, { recursive: true });
    }
  }

  /**
   * The outbox holds hard links of the sources, on the disk already: what is measured is moving them, as with the
   * peers, not writing them. The daemon claims the links and the sources stay for the next run; those it has delivered
   * are still in the spool when the run ends, within deleteGraceSeconds.
   */
  private prepare(dir: string, stateDir: string, source: SourceFiles): string {
    const { site } = this;
    const outbox = join(dir, 'outbox');
    mkdirSync(outbox, { recursive: true });
    for (const { name } of source.files) linkSync(join(source.dir, name), join(outbox, name));
    const { device, caFile } = site.certificates;
    const config = {
      thing: { name: 'bench', ...device },
      s3: { bucket: BUCKET, region: REGION, endpoint: `https://localhost:${site.s3Port}`, pathStyle: true, caFile },
      credentials: {
        source: 'role-alias',
        roleAlias: { endpoint: `localhost:${site.credentialsPort}`, alias: 'bench', caFile },
      },
      outboxes: [{ path: outbox, key: '{thing}/outbox/{path}', settleSeconds: 0 }],
      state: { dir: stateDir },
    };
    const configFile = join(dir, 'courier.yaml');
    writeFileSync(configFile, JSON.stringify(config)); // JSON is YAML
    execFileSync('sync', ['-f', dir]);
    return configFile;
  }
}

function readLauncherAndDaemon(child: ChildProcess): {
  readonly tree: readonly ProcessAccounts[];
  readonly launcher: ProcessAccounts;
  readonly daemon: ProcessAccounts;
} {
  const tree = readProcessTree(child.pid ?? -1);
  const [launcher, daemon] = tree;
  if (launcher === undefined || daemon === undefined) throw new Error('courier run has no daemon below it');
  return { tree, launcher, daemon };
}
