import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { until } from './until';

/** A program in the foreground that belongs to one test run; everything it prints goes to `logFile`. */
export class Daemon {
  private readonly child: ChildProcess;
  private failure: Error | undefined;

  constructor(
    private readonly command: string,
    args: readonly string[],
    private readonly logFile: string,
    env: NodeJS.ProcessEnv = process.env,
  ) {
    const log = openSync(logFile, 'a', 0o600);
    this.child = spawn(command, args, { stdio: ['ignore', log, log], env });
    closeSync(log);
    this.child.once('error', (error) => {
      this.failure = error;
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get running(): boolean {
    return this.failure === undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** @throws Error with the end of the log when the program ends before it listens */
  async waitForPort(port: number, timeoutMs: number): Promise<void> {
    await until(`${this.command} on port ${port}`, timeoutMs, async () => {
      if (!this.running) {
        const lines = readFileSync(this.logFile, 'utf8').trim().split('\n').slice(-15).join('\n');
        throw new Error(`${this.command} ended before it listened on port ${port}\n${lines}`, { cause: this.failure });
      }
      return (await answers(port)) ? true : undefined;
    });
  }

  /** SIGTERM, and SIGKILL when that does not help within `graceMs`. Resolves when the process is gone. */
  async stop(graceMs = 10_000): Promise<void> {
    if (!this.running) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(timer);
  }

  async kill9(): Promise<void> {
    if (!this.running) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
