import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Competitor, Moved } from './competitor';
import { contest, type Results } from './contest';
import type { Courier } from './courier';
import { formatRun, formatSpread } from './format-run';
import type { Peer, Peers } from './installed-peers';
import { judgeLimit, judgeRatio, type Row, type Side } from './judge-row';
import type { NullS3Process } from './null-s3-process';
import { makeSourceFiles, type SourceFiles } from './source-files';

export interface BenchSize {
  readonly largeBytes: number;
  readonly largeRounds: number;
  readonly smallFiles: number;
  readonly smallRounds: number;
  readonly idleMs: number;
}

const KIB = 1024;
const GIB = 1024 ** 3;
const NOT_ASKED = { is: 'printed beside', limit: 0 } as const;

const atMost = (limit: number) => ({ is: 'at most', limit }) as const;
const atLeast = (limit: number) => ({ is: 'at least', limit }) as const;
const rssMib = ({ peakRssKib }: Moved): number => peakRssKib / KIB;
const launcherMib = ({ launcherKib = Number.NaN }: Moved): number => launcherKib / KIB;

/** Rows 1 to 5 of the targets, those that are wanted. */
export class RowMeasurement {
  constructor(
    private readonly nullS3: NullS3Process,
    private readonly courier: Courier,
    private readonly peers: Peers,
    private readonly size: BenchSize,
    private readonly dir: string,
    private readonly print: (line: string) => void,
  ) {}

  async measure(wanted: ReadonlySet<string>): Promise<Row[]> {
    const rows = [
      ...(wanted.has('5') ? [await this.measureIdle()] : []),
      ...(['1', '2', '5'].some((id) => wanted.has(id)) ? await this.measureLarge(wanted) : []),
      ...(['3', '4', '5'].some((id) => wanted.has(id)) ? await this.measureSmall(wanted) : []),
    ];
    return rows.filter(({ id }) => wanted.has(id.charAt(0))).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  private async measureIdle(): Promise<Row> {
    const { idleMs } = this.size;
    const what = `RSS idle for ${idleMs / 1000} s, MiB`;
    try {
      const { rssKib, peakRssKib } = await this.courier.idle(idleMs);
      this.print(
        `idle  courier  rss ${(rssKib / KIB).toFixed(1)} MiB  its peak at the start ${(peakRssKib / KIB).toFixed(1)} MiB`,
      );
      const value = rssKib / KIB;
      return { id: '5a', what, value, peer: null, ratio: null, target: '≤ 75 MiB', met: value <= 75 };
    } catch (error) {
      const note = (error as Error).message;
      return { id: '5a', what, value: null, peer: null, ratio: null, target: '≤ 75 MiB', met: false, note };
    }
  }

  private async measureLarge(wanted: ReadonlySet<string>): Promise<Row[]> {
    const { largeBytes, largeRounds } = this.size;
    const source = makeSourceFiles(join(this.dir, 'large'), 1, largeBytes);
    const load = `${largeBytes / KIB / KIB} MiB`;
    const { rclone, rcloneTuned, awsCli, curl } = this.peers.one;
    const against = wanted.has('1') || wanted.has('2') ? [curl, awsCli, rcloneTuned, rclone] : [];
    const side = await this.hold(load, source, against, largeRounds);
    const cpu = ({ cpuMs }: Moved): number => (cpuMs / 1000) * (GIB / largeBytes);
    const wall = ({ wallMs }: Moved): number => wallMs / 1000;
    const ours = side(this.courier);
    const cpuRow = (id: string, peer: Peer, limit: number) =>
      judgeRatio(
        id,
        `${load}: CPU s/GiB against ${peer.name}`,
        cpu,
        ours,
        side(peer),
        limit === 0 ? NOT_ASKED : atMost(limit),
      );
    const wallRow = (id: string, peer: Peer, limit: number) =>
      judgeRatio(
        id,
        `${load}: wall s against ${peer.name}`,
        wall,
        ours,
        side(peer),
        limit === 0 ? NOT_ASKED : atMost(limit),
      );
    return [
      cpuRow('1a', rclone, 0.35),
      cpuRow('1b', awsCli, 0.8),
      cpuRow('1c', curl, 1.8),
      cpuRow('1d', rcloneTuned, 0),
      wallRow('2a', rclone, 0.7),
      wallRow('2b', awsCli, 1.0),
      wallRow('2c', curl, 0),
      wallRow('2d', rcloneTuned, 0),
      judgeLimit('5b', `${load}: peak RSS of the daemon, MiB`, rssMib, ours, atMost(130), 'MiB'),
      judgeLimit('5d', 'what `courier run` adds to it, MiB', launcherMib, ours, NOT_ASKED, 'MiB'),
    ];
  }

  private async measureSmall(wanted: ReadonlySet<string>): Promise<Row[]> {
    const { smallFiles, smallRounds } = this.size;
    const source = makeSourceFiles(join(this.dir, 'small'), smallFiles, 4 * KIB);
    const load = `${smallFiles} × 4 KiB`;
    const { rclone } = this.peers.many;
    const side = await this.hold(load, source, wanted.has('3') || wanted.has('4') ? [rclone] : [], smallRounds);
    const filesPerSecond = ({ wallMs }: Moved): number => smallFiles / (wallMs / 1000);
    const fromFirstRequest = ({ wallMs, firstRequestMs }: Moved): number =>
      smallFiles / ((wallMs - firstRequestMs) / 1000);
    const cpuPerFileMs = ({ cpuMs }: Moved): number => cpuMs / smallFiles;
    const ours = side(this.courier);
    const theirs = side(rclone);
    return [
      judgeRatio(
        '3a',
        `${load}: files/s, start to done, against rclone's best`,
        filesPerSecond,
        ours,
        theirs,
        atLeast(1.2),
      ),
      judgeRatio('3b', `${load}: files/s, first request to done`, fromFirstRequest, ours, theirs, NOT_ASKED),
      judgeRatio('4', `${load}: CPU ms per file against rclone's best`, cpuPerFileMs, ours, theirs, atMost(1)),
      judgeLimit('5c', `${load}: peak RSS of the daemon, MiB`, rssMib, ours, atMost(110), 'MiB'),
    ];
  }

  /** Lets ours and the peers that are there run in turn. @returns what each one's runs were */
  private async hold(
    load: string,
    source: SourceFiles,
    peers: readonly Peer[],
    rounds: number,
  ): Promise<(competitor: Competitor | Peer) => Side> {
    const present = peers.filter((peer) => peer.absent === undefined);
    const results: Results = await contest(this.nullS3, source, [this.courier, ...present], rounds, ({ name }, run) =>
      this.print(formatRun(load, name, run)),
    );
    this.print(formatSpread(load, results));
    rmSync(source.dir, { recursive: true });
    return (competitor) =>
      'absent' in competitor && competitor.absent !== undefined
        ? { absent: competitor.absent }
        : (results.get(competitor as Competitor) ?? []);
  }
}
