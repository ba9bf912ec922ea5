import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnvironment } from './clean-environment';
import { type ProcessAccounts, readProcessTree } from './process-tree';

export interface RunningDaemon {
  readonly stateDir: string;
  readonly startedAtNs: bigint;
  /** Of launcher and daemon, and of all below them. */
  readAccounts(): {
    readonly tree: readonly ProcessAccounts[];
    readonly launcher: ProcessAccounts;
    readonly daemon: ProcessAccounts;
  };
}

const PROGRAM = join(__dirname, '../../dist/courier.js');
const GIVE_UP_MS = 120_000;

/**
 * The bundle as a device runs it, in a folder that is there and goes with it.
 * @param guard is told the pid of the daemon's launcher while there is one
 * @throws Error with the end of its log, when it ended, or took too long
 */
export async function withDaemon<T>(
  dir: string,
  config: object,
  guard: (pid: number | null) => void,
  use: (daemon: RunningDaemon) => Promise<T>,
): Promise<T> {
  const stateDir = join(dir, 'state');
  const logFile = join(dir, 'log');
  const configFile = join(dir, 'courier.yaml');
  writeFileSync(configFile, JSON.stringify({ ...config, state: { dir: stateDir } })); // JSON is YAML
  execFileSync('sync', ['-f', dir]);
  const log = openSync(logFile, 'w');
  const startedAtNs = process.hrtime.bigint();
  const child = spawn(process.execPath, [PROGRAM, 'run', '--config', configFile], {
    env: cleanEnvironment(dir),
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  guard(child.pid ?? null);
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
    return await Promise.race([use({ stateDir, startedAtNs, readAccounts: () => readAccounts(child) }), ended, late]);
  } catch (cause) {
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' / ');
    throw new Error(`${(cause as Error).message}; its log ends: ${said.slice(-800)}`, { cause });
  } finally {
    child.kill('SIGTERM');
    await exit;
    guard(null);
    rmSync(dir, { recursive: true });
  }
}

function readAccounts(child: ChildProcess): ReturnType<RunningDaemon['readAccounts']> {
  const tree = readProcessTree(child.pid ?? -1);
  const [launcher, daemon] = tree;
  if (launcher === undefined || daemon === undefined) throw new Error('courier run has no daemon below it');
  return { tree, launcher, daemon };
}
