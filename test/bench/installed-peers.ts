import { spawnSync } from 'node:child_process';
import { awsCli } from './aws-cli';
import type { BenchSite } from './bench-site';
import type { Competitor } from './competitor';
import { curl } from './curl';
import { findVersion } from './find-version';
import { rclone } from './rclone';

/** Why a peer does not take part, or the peer. */
export type Peer = { readonly name: string; readonly absent: string } | (Competitor & { readonly absent?: undefined });

export interface Peers {
  /** Its version, for people. */
  readonly versions: readonly string[];
  readonly one: { readonly rclone: Peer; readonly rcloneTuned: Peer; readonly awsCli: Peer; readonly curl: Peer };
  readonly many: { readonly rclone: Peer };
}

/**
 * rclone's flags are the best of those tried (1.60): `--checkers`, more or fewer `--transfers`, `--buffer-size`,
 * `--use-mmap`, other part sizes made nothing faster. Tuned for one large file it goes without the MD5 of the whole,
 * which it otherwise computes twice; its parts still have theirs.
 */
export function findPeers(site: BenchSite): Peers {
  const versions: string[] = [];
  const python = findVersion('python3', '--version');
  const find = (name: string, program: string, argument: string, make: () => Competitor): Peer => {
    const version = findVersion(program, argument);
    if (version === undefined) return { name, absent: `${name} is not installed` };
    if (python === undefined) return { name, absent: 'python3, which does the accounts, is not installed' };
    versions.push(`${name}: ${version}`);
    return make();
  };
  const plain = find('rclone', 'rclone', 'version', () => rclone('rclone', site, []));
  const tuned = (name: string, flags: readonly string[]): Peer =>
    plain.absent === undefined ? rclone(name, site, flags) : { name, absent: plain.absent };
  return {
    one: {
      rclone: plain,
      rcloneTuned: tuned('rclone, tuned', ['--s3-disable-checksum', '--ignore-checksum']),
      awsCli: find('aws-cli', 'aws', '--version', () => awsCli(findAws(), site)),
      curl: find('curl -T', 'curl', '--version', () => curl(site)),
    },
    many: { rclone: tuned('rclone', ['--transfers', '16']) },
    versions,
  };
}

/** pyenv puts a shell script in front, whose time is not aws-cli's. */
function findAws(): string {
  const { status, stdout } = spawnSync('pyenv', ['which', 'aws'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : 'aws';
}
