import type { Clock } from '../../clock';
import type { Log } from '../../log';
import type { IpcConnection } from './ipc-connection';
import { IpcError } from './ipc-error';

/** What a deployment asks of its component. */
export interface NucleusListener {
  /** The configuration may be another: also told after each connection. */
  readonly onConfigurationChanged: () => void;
  /** A deployment's configuration, before anything is changed. Answers at once. @returns what is wrong with it */
  readonly findProblem: (settings: unknown) => string | undefined;
  /** Whether deployments are to ask first; read at each connection. */
  readonly validates: () => boolean;
  /** An update is about to stop us. @returns for how long it is to wait before it asks again; 0: it may go on */
  readonly deferMs: (deploymentId: string) => number;
  /** It has happened, or was given up. */
  readonly onUpdated: () => void;
}

interface ValidateEvent {
  readonly validateConfigurationUpdateEvent?: { readonly configuration?: unknown; readonly deploymentId: string };
}

interface ComponentUpdateEvent {
  readonly preUpdateEvent?: { readonly deploymentId: string };
  readonly postUpdateEvent?: { readonly deploymentId: string };
}

/** What a validation's message may hold: it ends up in the deployment's status. */
const MAX_MESSAGE = 900;
const AGAIN_MS = 5_000;

/** The Greengrass nucleus as it deals with its component: configuration and deployments. */
export class Nucleus {
  readonly #told = new Set<string>();

  constructor(
    private readonly ipc: IpcConnection,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** The component's whole configuration, the recipe's defaults included. @throws IpcError, IpcUnavailable */
  async getConfiguration(): Promise<unknown> {
    const { value } = await this.ipc.request<{ value?: unknown }>('GetConfiguration', { keyPath: [] });
    return value ?? {};
  }

  /** From now on, at each connection anew. What a nucleus does not offer is done without. */
  attend(listener: NucleusListener): void {
    this.ipc.onConnected(() => {
      void this.#followConfiguration(listener);
      void this.#attend<ComponentUpdateEvent>(
        'SubscribeToComponentUpdates',
        {},
        ({ preUpdateEvent, postUpdateEvent }) => {
          if (preUpdateEvent !== undefined) void this.#answerUpdate(preUpdateEvent.deploymentId, listener);
          if (postUpdateEvent !== undefined) listener.onUpdated();
        },
      );
      if (listener.validates())
        void this.#attend<ValidateEvent>('SubscribeToValidateConfigurationUpdates', {}, (event) => {
          const asked = event.validateConfigurationUpdateEvent;
          if (asked !== undefined) void this.#answerValidation(asked.deploymentId, asked.configuration, listener);
        });
      listener.onConfigurationChanged();
    });
  }

  /** What it was changed to before the subscription stood, or while there was none, no event tells. */
  async #followConfiguration(listener: NucleusListener): Promise<void> {
    const changed = (): void => listener.onConfigurationChanged();
    const again = (): void => void this.#later(() => this.#followConfiguration(listener));
    try {
      await this.ipc.subscribe('SubscribeToConfigurationUpdate', { keyPath: [] }, changed, again);
      changed();
    } catch {
      if (this.ipc.isConnected) again(); // every nucleus has it: a refusal is one of the moment
    }
  }

  async #attend<Event>(operation: string, request: object, onEvent: (event: Event) => void): Promise<void> {
    const again = (): void => void this.#later(() => this.#attend(operation, request, onEvent));
    try {
      await this.ipc.subscribe<Event>(operation, request, onEvent, again);
    } catch (error) {
      if (!(error instanceof IpcError)) {
        if (this.ipc.isConnected) again(); // else the next connection makes it anew
        return;
      }
      // Nucleus lite knows neither validation nor deferral, and says so by an error without words.
      if (!this.#told.has(operation))
        this.log.info({ reason: error.message }, 'the nucleus does not offer it here, going on without');
      this.#told.add(operation);
    }
  }

  async #later(work: () => Promise<void>): Promise<void> {
    await this.clock.sleep(AGAIN_MS, this.ipc.lost);
    if (this.ipc.isConnected) await work();
  }

  /** Always, and at once: a deployment that gets no answer within some twenty seconds fails. */
  async #answerValidation(deploymentId: string, configuration: unknown, listener: NucleusListener): Promise<void> {
    const problem = listener.findProblem(configuration);
    const configurationValidityReport = {
      deploymentId,
      ...(problem === undefined
        ? { status: 'ACCEPTED' }
        : { status: 'REJECTED', message: problem.slice(0, MAX_MESSAGE) }),
    };
    if (problem !== undefined) this.log.warn({ reason: problem }, "a deployment's configuration is refused");
    await this.#answer('SendConfigurationValidityReport', { configurationValidityReport });
  }

  async #answerUpdate(deploymentId: string, listener: NucleusListener): Promise<void> {
    const recheckAfterMs = listener.deferMs(deploymentId);
    if (recheckAfterMs > 0) this.log.info({ ms: recheckAfterMs }, 'an update waits for a file in its last part');
    await this.#answer('DeferComponentUpdate', {
      deploymentId,
      recheckAfterMs,
      ...(recheckAfterMs > 0 ? { message: 'a file is about to be complete' } : {}),
    });
  }

  async #answer(operation: string, request: object): Promise<void> {
    try {
      await this.ipc.request(operation, request);
    } catch (error) {
      this.log.warn({ reason: String(error) }, 'the nucleus did not take an answer');
    }
  }
}
