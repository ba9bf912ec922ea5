import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AccessControl, type AccessControlDocument } from './access-control';
import type { AskCloud } from './cloud-credentials';
import { ComponentConfiguration, type Configuration } from './component-configuration';
import { type Announcement, ComponentUpdates } from './component-updates';
import { ConfigurationValidation } from './configuration-validation';
import { IotCore } from './iot-core';
import { IpcError } from './ipc-error';
import { LocalTopics } from './local-topics';
import { type IpcOperation, NucleusIpc } from './nucleus-ipc';
import { type NucleusKind, type NucleusSwitches, switchesOf } from './switches';
import { TokenExchangeEndpoint } from './token-exchange-endpoint';

export interface NucleusOptions {
  readonly kind: NucleusKind;
  readonly componentName?: string;
  /** The recipe's DefaultConfiguration, without accessControl. */
  readonly configuration?: Configuration;
  /** From the recipe; enforced, and part of the configuration that the component reads, as in the real ones. */
  readonly accessControl?: AccessControlDocument;
  readonly thingName?: string;
  readonly region?: string;
  readonly rootCaFile?: string;
  readonly askCloud?: AskCloud;
  readonly switches?: Partial<NucleusSwitches>;
}

export type DeploymentOutcome =
  | { readonly result: 'merged' }
  /** FAILED_NO_STATE_CHANGE: nothing was merged. */
  | { readonly result: 'refused'; readonly message: string }
  | { readonly result: 'unanswered' };

export interface DeploymentOptions {
  /** Merged into the recipe's defaults instead of the running configuration. */
  readonly fromDefaults?: boolean;
}

const VERSION = { classic: '2.15.0', lite: '2.6.0' } as const;

/** A Greengrass nucleus for one component: IPC, the token exchange, deployments, IoT Core behind it. */
export class Nucleus {
  readonly componentName: string;
  readonly switches: NucleusSwitches;
  readonly ipc: NucleusIpc;
  readonly configuration: ComponentConfiguration;
  readonly validation: ConfigurationValidation;
  readonly updates: ComponentUpdates;
  readonly topics: LocalTopics;
  readonly iotCore: IotCore;
  readonly tokenExchange: TokenExchangeEndpoint;
  /** States that the component reported. */
  readonly states: string[] = [];
  /** The nucleus would now send SIGTERM and start the component again; the test has the process. */
  onRestartWanted: () => void = () => undefined;
  readonly #dir = mkdtempSync(join(tmpdir(), 'gg-'));
  #token: string | undefined;
  #restart: NodeJS.Timeout | undefined;
  #deployments = 0;

  constructor(private readonly options: NucleusOptions) {
    const { kind, componentName = 'thing-courier', configuration = {}, accessControl } = options;
    this.componentName = componentName;
    this.switches = Object.assign(switchesOf(kind), options.switches);
    const access = new AccessControl(accessControl, kind);
    const defaults = accessControl === undefined ? configuration : { ...configuration, accessControl };
    this.configuration = new ComponentConfiguration(componentName, defaults, this.switches);
    this.validation = new ConfigurationValidation(this.switches);
    this.updates = new ComponentUpdates(this.switches);
    this.topics = new LocalTopics(componentName, access, this.switches);
    this.iotCore = new IotCore(access, this.switches);
    const lifecycle: Record<string, IpcOperation> = {
      UpdateState: { answer: ({ state }) => this.#reported(state) },
      PutComponentMetric: { answer: () => this.#refuseMetric() },
    };
    this.ipc = new NucleusIpc(join(this.#dir, 'ipc.socket'), this.switches, {
      ...this.configuration.operations,
      ...this.validation.operations,
      ...this.updates.operations,
      ...this.topics.operations,
      ...this.iotCore.operations,
      ...lifecycle,
    });
    const offline: AskCloud = () => Promise.reject(new Error('no cloud'));
    this.tokenExchange = new TokenExchangeEndpoint(
      kind,
      (token) => this.ipc.accepts(token),
      options.askCloud ?? offline,
    );
  }

  async start(): Promise<this> {
    await Promise.all([this.ipc.start(), this.tokenExchange.start()]);
    return this;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#restart);
    this.updates.stop();
    await Promise.all([this.ipc.stop(), this.tokenExchange.stop()]);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** What a process of the component is given. Its token is a fresh one where the last is no longer good. */
  env(): Record<string, string> {
    if (this.#token === undefined || !this.ipc.accepts(this.#token)) this.#token = this.ipc.issueToken();
    const { kind, thingName = 'device00', region = 'eu-central-1', rootCaFile } = this.options;
    return {
      SVCUID: this.#token,
      AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT: this.ipc.socketPath,
      AWS_IOT_THING_NAME: thingName,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      GG_ROOT_CA_PATH: rootCaFile ?? join(this.#dir, 'rootCA.pem'),
      GGC_VERSION: VERSION[kind],
      AWS_CONTAINER_AUTHORIZATION_TOKEN: this.#token,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: this.tokenExchange.uri,
    };
  }

  /** A deployment that changes the component's configuration and nothing else. */
  async deploy(changes: Configuration, { fromDefaults = false }: DeploymentOptions = {}): Promise<DeploymentOutcome> {
    const proposed = this.configuration.proposed(changes, fromDefaults);
    const report = await this.validation.ask(this.#deploymentId(), proposed);
    if (report === 'unanswered') return { result: 'unanswered' };
    if (report?.status === 'REJECTED') {
      const why = `{ name = ${this.componentName}, message = ${report.message} }`;
      return {
        result: 'refused',
        message: `Components reported that their to-be-deployed configuration is invalid ${why}`,
      };
    }
    const hasChanged = this.configuration.replace(proposed);
    if (hasChanged && this.switches.restartAfterMs !== undefined) {
      clearTimeout(this.#restart);
      this.#restart = setTimeout(() => this.onRestartWanted(), this.switches.restartAfterMs);
    }
    return { result: 'merged' };
  }

  /**
   * A deployment that would replace the component: asks it first, until it lets that happen. The caller then ends the
   * process and calls `updates.finish`. @returns how often the component was asked
   */
  announceUpdate(announcement: Partial<Announcement> = {}): Promise<number> {
    return this.updates.announce({ deploymentId: this.#deploymentId(), ...announcement });
  }

  #deploymentId(): string {
    return `deployment-${++this.#deployments}`;
  }

  #reported(state: unknown): object {
    if (state !== 'RUNNING' && state !== 'ERRORED')
      throw new IpcError('ServiceError', `no such state ${String(state)}`);
    this.states.push(state);
    return {};
  }

  #refuseMetric(): never {
    throw new IpcError('InvalidArgumentsError', 'Component name does not begin with aws.');
  }
}
