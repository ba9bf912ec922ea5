import { readdirSync, readFileSync } from 'node:fs';
import { until } from '../../support/until';

/** All processes that write to a disk: those named, and what they have started. */
export class Writers {
  #stopped: number[] = [];

  /** Resolves when none of their threads runs any more, nor is in a system call. */
  async stop(pids: readonly number[]): Promise<void> {
    this.#stopped = [];
    await this.#stopAll(pids); // a stopped process starts no others
    for (let more = childrenOf(pids); more.length > 0; more = childrenOf(more)) await this.#stopAll(more);
  }

  goOn(): void {
    for (const pid of this.#stopped.splice(0)) signal(pid, 'SIGCONT');
  }

  async #stopAll(pids: readonly number[]): Promise<void> {
    for (const pid of pids) if (signal(pid, 'SIGSTOP')) this.#stopped.push(pid);
    await until('writers stopped', () => pids.every(isStill));
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false; // ended meanwhile
  }
}

function childrenOf(pids: readonly number[]): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pids.includes(Number(statOf(`/proc/${pid}`)?.[1])));
}

/** Stopped, a zombie or gone. */
function isStill(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((task) => {
      const state = statOf(`/proc/${pid}/task/${task}`)?.[0];
      return state === undefined || 'TtZX'.includes(state);
    });
  } catch {
    return true;
  }
}

/** State, parent, and so on: what follows the name, which may hold anything. */
function statOf(folder: string): string[] | undefined {
  try {
    const text = readFileSync(`${folder}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
