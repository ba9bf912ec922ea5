import { linkSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDaemon } from '../../src/cli/ask-daemon';
import type { StatusDocument } from '../../src/control/protocol';
import { type BenchSite, BUCKET, REGION } from './bench-site';
import type { Competitor, Measured } from './competitor';
import type { SourceFiles } from './source-files';
import { type RunningDaemon, withDaemon } from './with-daemon';

const ASK_EVERY_MS = 20;

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
    return this.withDaemon(source, async ({ stateDir, startedAtNs, readAccounts }) => {
      await arrived;
      for (;;) {
        const { uploads } = await askDaemon<StatusDocument>(stateDir, { command: 'status' });
        if (uploads.failed + uploads.superseded > 0) throw new Error(`not all went well: ${JSON.stringify(uploads)}`);
        if (uploads.done === source.files.length) break;
        await sleep(ASK_EVERY_MS);
      }
      const wallMs = Number(process.hrtime.bigint() - startedAtNs) / 1e6;
      const { tree, launcher, daemon } = readAccounts();
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
    return this.withDaemon({ dir: '', files: [], totalBytes: 0 }, async ({ stateDir, readAccounts }) => {
      await sleep(idleMs);
      await askDaemon<StatusDocument>(stateDir, { command: 'status' });
      return readAccounts().daemon;
    });
  }

  /**
   * The outbox holds hard links of the sources, on the disk already: what is measured is moving them, as with the
   * peers, not writing them. The daemon claims the links and the sources stay for the next run; those it has delivered
   * are still in the spool when the run ends, within deleteGraceSeconds.
   */
  private withDaemon<T>(source: SourceFiles, use: (daemon: RunningDaemon) => Promise<T>): Promise<T> {
    const { site } = this;
    const dir = join(site.dir, 'courier');
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
    };
    return withDaemon(dir, config, this.guard, use);
  }
}
