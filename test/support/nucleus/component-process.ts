import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { until } from '../until';
import type { Nucleus } from './nucleus';

export interface ComponentProcessOptions {
  readonly nucleus: Nucleus;
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]];
  /** Where the nucleus lets it run. */
  readonly workPath: string;
  /** The recipe's Setenv, over what the nucleus gives. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Both give up a component that ended so often with an error. */
const MAX_ERRORS = 3;

/** The component's process under the nucleus's hand: given its environment, started again after an error, ended by signals. */
export class ComponentProcess {
  /** What its lives wrote; the real ones log the first as INFO, the second as WARN. */
  stdout = '';
  stderr = '';
  /** How each life ended. */
  readonly endings: Ending[] = [];
  starts = 0;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isWanted = false;

  constructor(private readonly options: ComponentProcessOptions) {
    options.nucleus.onRestartWanted = () => void this.restart();
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The nucleus does not start it any more, until it is deployed again. */
  get isBroken(): boolean {
    return this.endings.filter(isError).length >= MAX_ERRORS;
  }

  start(): this {
    this.#isWanted = true;
    this.#spawn();
    return this;
  }

  /** SIGTERM, and SIGKILL when that does not help in the nucleus's time. */
  async stop(): Promise<Ending> {
    this.#isWanted = false;
    const child = this.#child;
    if (child === undefined) return this.endings.at(-1) ?? { code: null, signal: null };
    const kill = setTimeout(() => child.kill('SIGKILL'), this.options.nucleus.switches.killAfterMs);
    child.kill('SIGTERM');
    await this.#ended;
    clearTimeout(kill);
    return this.endings.at(-1)!;
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  async waitFor(what: string, holds: () => boolean): Promise<void> {
    await until(what, holds, () => ({ endings: this.endings, stderr: this.stderr, stdout: this.stdout.slice(-4_000) }));
  }

  #spawn(): void {
    const { nucleus, command, workPath, env } = this.options;
    mkdirSync(workPath, { recursive: true });
    this.starts++;
    const [program, ...args] = command;
    const child = spawn(program, args, {
      cwd: workPath,
      // Nothing of this process's own: keys of its environment must not stand in for what a device lacks.
      env: { PATH: process.env.PATH, ...nucleus.env(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.#ended = once(child, 'close').then(([code, signal]) => {
      this.#child = undefined;
      this.endings.push({ code, signal } as Ending);
      if (this.#isWanted && isError(this.endings.at(-1)!) && !this.isBroken) this.#spawn();
    });
  }
}

/** A component that ends by SIGTERM itself, as one without a handler does, was stopped and did not fail. */
const isError = ({ code, signal }: Ending): boolean => code !== 0 && signal !== 'SIGTERM';
