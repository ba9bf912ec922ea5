import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { IpcCloudBus, IpcLocalBus } from '../aws/greengrass/ipc-bus';
import { IpcConnection } from '../aws/greengrass/ipc-connection';
import { IpcError } from '../aws/greengrass/ipc-error';
import { Nucleus } from '../aws/greengrass/nucleus';
import { Component, type Edge } from '../component';
import { componentSettings, parseConfig } from '../config/load-config';
import type { Config } from '../config/schema';
import { readIfThere, writeFileDurably } from '../custody/write-file';
import { UsageError } from '../domain/errors';
import { shellQuoted } from '../domain/shell-quoted';
import { RunLoop } from '../run-loop';
import { decideDeferral } from './decide-deferral';
import { decideReconfiguration } from './decide-reconfiguration';
import { refuseToLeaveFiles } from './leave-no-files';

/** What the nucleus gives its component. */
export interface NucleusSurroundings {
  /** AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT */
  readonly socketPath: string;
  /** SVCUID */
  readonly authToken: string;
  readonly thingName: string | undefined;
  readonly region: string | undefined;
  /** The component's work folder. */
  readonly workFolder: string;
  /** How `courier` of this version is called. */
  readonly command: readonly string[];
}

/** How the process should end. */
export interface Ending {
  /** A part broke. */
  readonly onBroken: (error: unknown) => void;
  /** The nucleus no longer knows this process; it starts another. */
  readonly onOrphaned: () => void;
}

/** Nucleus lite tells of each changed value by itself. */
const GATHER_MS = 300;
const ASK_AGAIN_MS = 1_000;
/** At an end: how long messages under way may wait for the nucleus. */
const ANSWERS_MS = 2_000;
const IDLE_MS = 3_600_000;

/**
 * The component under a Greengrass nucleus: waits for its configuration, runs on it, and follows its changes. One that
 * cannot be used leaves the one before in use, also over a restart.
 */
export class GreengrassComponent {
  readonly #ipc: IpcConnection;
  readonly #nucleus: Nucleus;
  readonly #edge: Edge;
  readonly #changes: RunLoop;
  readonly #stopping = new AbortController();
  #started: Promise<void> = Promise.resolve();
  /** The settings it ran on last: a restart must not find only those that cannot be used. */
  readonly #lastGoodFile: string;
  #running: { readonly component: Component; readonly config: Config } | undefined;
  /** As the nucleus gave them last. */
  #seen: unknown;
  #problem: string | undefined;
  #update: { readonly id: string; readonly sinceMs: number } | undefined;
  #hasChanged = false;

  constructor(
    private readonly surroundings: NucleusSurroundings,
    edge: Edge,
    private readonly ending: Ending,
  ) {
    const { clock, log } = edge;
    this.#lastGoodFile = join(surroundings.workFolder, 'configuration.json');
    this.#ipc = new IpcConnection({ ...surroundings, ...edge, onOrphaned: ending.onOrphaned });
    this.#nucleus = new Nucleus(this.#ipc, clock, log);
    this.#changes = new RunLoop(() => this.#follow(), clock);
    this.#edge = {
      ...edge,
      buses: { local: new IpcLocalBus(this.#ipc), cloud: new IpcCloudBus(this.#ipc) },
      warnings: () => [
        ...(this.#problem === undefined ? [] : [`the deployed configuration is not in use: ${this.#problem}`]),
        ...(this.#ipc.isConnected ? [] : ['no connection to the nucleus, files go on; look into its log']),
      ],
    };
  }

  /** Waits for the nucleus as long as it takes. @throws UsageError when no configuration there ever was can be used */
  start(): Promise<void> {
    this.#started = this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    this.#ipc.start().finished.catch(this.ending.onBroken);
    const settings = await this.#getSettings();
    if (settings === undefined) return; // stopped meanwhile
    await this.#begin(settings);
    if (this.#stopping.signal.aborted) return;
    this.#nucleus.attend({
      onConfigurationChanged: () => {
        this.#hasChanged = true;
        this.#changes.wake();
      },
      validates: () => this.#validates,
      findProblem: (candidate) => (this.#validates ? findProblem(() => this.#parse(candidate)) : undefined),
      deferMs: (id) => this.#deferMs(id),
      onUpdated: () => {
        this.#update = undefined;
      },
    });
    this.#changes.start();
    this.#changes.finished.catch(this.ending.onBroken);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    void this.#changes.stop();
    const stopped = this.#stopComponent();
    const over = new AbortController();
    await Promise.race([stopped, this.#edge.clock.sleep(ANSWERS_MS, over.signal)]);
    over.abort();
    await this.#ipc.stop(); // which ends every call that still waits for an answer
    await stopped;
  }

  async #stopComponent(): Promise<void> {
    await this.#started.catch(() => undefined);
    await this.#changes.finished.catch(() => undefined);
    const running = this.#running;
    this.#running = undefined; // nobody asks it any more
    await running?.component.stop();
  }

  get #validates(): boolean {
    return this.#running?.config.greengrass.validateUpdates ?? true;
  }

  /** @returns undefined when we are stopping */
  async #getSettings(): Promise<unknown> {
    const { clock, log } = this.#edge;
    let told = false;
    while (!this.#stopping.signal.aborted) {
      try {
        return await this.#nucleus.getConfiguration();
      } catch (error) {
        if (error instanceof IpcError && !told) {
          log.warn({ reason: error.message }, 'the nucleus has no configuration for us, asking on');
          told = true;
        }
        await clock.sleep(ASK_AGAIN_MS, this.#stopping.signal);
      }
    }
    return undefined;
  }

  /** On what the nucleus has; else on what it had when we ran last. */
  async #begin(settings: unknown): Promise<void> {
    this.#seen = settings;
    const before = parseJson(readIfThere(this.#lastGoodFile) ?? '');
    // Files may wait in the state folder we had: they are seen from there only, before it is left.
    if (this.#movesState(before, settings)) await this.#use(before);
    const problem = await this.#use(settings);
    if (problem === undefined) return;
    if (this.#running === undefined && (await this.#use(before)) !== undefined) throw new UsageError(problem);
    this.#refuse(problem);
  }

  #movesState(before: unknown, settings: unknown): boolean {
    try {
      return this.#parse(before).state.dir !== this.#parse(settings).state.dir;
    } catch {
      return false; // one of them cannot be used at all
    }
  }

  /** @returns for how many milliseconds there is nothing to do */
  async #follow(): Promise<number> {
    if (!this.#hasChanged) return IDLE_MS;
    await this.#edge.clock.sleep(GATHER_MS, this.#stopping.signal);
    this.#hasChanged = false;
    const settings = await this.#getSettings();
    if (this.#stopping.signal.aborted || isDeepStrictEqual(settings, this.#seen)) return 0;
    this.#seen = settings;
    const problem = await this.#use(settings);
    if (problem !== undefined) this.#refuse(problem);
    this.#running?.component.retryMessages(); // accessControl is a part of the configuration
    return 0;
  }

  #refuse(problem: string): void {
    this.#problem = problem;
    this.#edge.log.error({ reason: problem }, 'the deployed configuration cannot be used, the one before stays in use');
  }

  /** @returns why they cannot be used; then what ran before runs on */
  async #use(settings: unknown): Promise<string | undefined> {
    const { log } = this.#edge;
    const running = this.#running;
    try {
      const config = this.#parse(settings);
      const change = running === undefined ? 'restart' : decideReconfiguration(running.config, config);
      if (change === 'adjust') await running!.component.adjust(config);
      if (change === 'restart') await this.#restart(config);
      else this.#running = { component: running!.component, config };
      if (running !== undefined && change !== 'none')
        log.info({ reason: change === 'adjust' ? 'at once' : 'restarted inside' }, 'the new configuration is in use');
    } catch (error) {
      if (error instanceof UsageError) return error.message;
      throw error;
    }
    this.#problem = undefined;
    this.#keep(this.#lastGoodFile, JSON.stringify(settings), 0o600);
    return undefined;
  }

  /** @throws UsageError, and then what ran before runs again */
  async #restart(config: Config): Promise<void> {
    const running = this.#running;
    if (running !== undefined) refuseToLeaveFiles(running.config, config, running.component.waiting);
    await running?.component.stop();
    this.#running = undefined;
    try {
      if (running !== undefined) refuseToLeaveFiles(running.config, config, 0); // what was claimed since
      this.#running = { config, component: await this.#open(config) };
    } catch (error) {
      if (running !== undefined) this.#running = { ...running, component: await this.#reopen(running.config) };
      throw error;
    }
  }

  /** @throws Error, of no kind that would let us go on without a component */
  async #reopen(config: Config): Promise<Component> {
    try {
      return await this.#open(config);
    } catch (cause) {
      throw new Error(`what ran before cannot run again: ${(cause as Error).message}`, { cause });
    }
  }

  async #open(config: Config): Promise<Component> {
    const { workFolder, command } = this.surroundings;
    let component: Component | undefined;
    try {
      for (const { path } of config.outboxes)
        if (path.startsWith(`${workFolder}/`)) mkdirSync(path, { recursive: true }); // ours to make, unlike any other
      component = new Component(config, this.#edge);
      await component.start(this.ending.onBroken);
    } catch (error) {
      await component?.stop();
      throw asUsageError(error);
    }
    const wrapper = `#!/bin/sh
# courier of the running version, written at its start: courier status
COURIER_STATE_DIR=${shellQuoted(config.state.dir)} exec ${command.map(shellQuoted).join(' ')} "$@"
`;
    this.#keep(join(workFolder, 'courier'), wrapper, 0o755);
    return component;
  }

  /** A full disk must not end us: the files that fill it are to be sent. */
  #keep(file: string, content: string, mode: number): void {
    try {
      writeFileDurably(file, content, mode);
    } catch (error) {
      this.#edge.log.warn(
        { file, reason: String(error) },
        "cannot be written, going on without; check the work folder's rights and its disk",
      );
    }
  }

  /** @throws UsageError */
  #parse(settings: unknown): Config {
    const { workFolder, thingName, region } = this.surroundings;
    return parseConfig(componentSettings(settings, workFolder), { thingName, region });
  }

  #deferMs(id: string): number {
    if (this.#running === undefined) return 0;
    const nowMs = this.#edge.clock.monotonicMs();
    if (this.#update?.id !== id) this.#update = { id, sinceMs: nowMs };
    const { component, config } = this.#running;
    return decideDeferral({
      active: component.active,
      partSizeBytes: config.upload.partSizeBytes,
      waitedMs: nowMs - this.#update.sinceMs,
      maxDeferMs: config.greengrass.maxDeferSeconds * 1000,
    });
  }
}

/** A folder that cannot be made or opened is the configuration's fault, and the one before may do without it. */
function asUsageError(error: unknown): unknown {
  const { syscall, message } = error as NodeJS.ErrnoException;
  return syscall === undefined ? error : new UsageError(`${message}; check the path and its rights`, { cause: error });
}

function findProblem(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // which is no configuration either
  }
}
