import { IpcError } from './ipc-error';
import type { IpcStream } from './ipc-stream';
import type { IpcOperation } from './nucleus-ipc';
import type { NucleusSwitches } from './switches';

export interface Deferral {
  readonly deploymentId: string;
  /** 0: go ahead */
  readonly recheckAfterMs?: number;
  readonly message?: string;
}

export interface Announcement {
  readonly deploymentId: string;
  readonly isGgcRestarting?: boolean;
}

/** Tells the component that it is about to be updated, and lets it put that off. */
export class ComponentUpdates {
  readonly operations: Readonly<Record<string, IpcOperation>> = {
    SubscribeToComponentUpdates: { hasEvents: true, answer: (_body, stream) => this.#subscribe(stream) },
    DeferComponentUpdate: { answer: (body) => this.#defer(body as unknown as Deferral) },
  };
  readonly deferrals: Deferral[] = [];
  readonly #subscribers = new Set<IpcStream>();
  readonly #stopping = new AbortController();
  #waiting: { readonly deploymentId: string; readonly take: (deferral: Deferral) => void } | undefined;

  constructor(private readonly switches: NucleusSwitches) {}

  get subscribers(): number {
    return this.#subscribers.size;
  }

  /**
   * Asks before an update until the component lets it happen, or says nothing for `deferTimeoutMs`: there is no bound
   * on how often it may put it off. @returns how often it was asked
   */
  async announce({ deploymentId, isGgcRestarting = false }: Announcement): Promise<number> {
    for (let asked = 1; ; asked++) {
      if (this.#subscribers.size === 0) return asked - 1;
      const deferral = await this.#ask({ deploymentId, isGgcRestarting });
      const recheckAfterMs = deferral?.recheckAfterMs ?? 0;
      if (recheckAfterMs <= 0 || this.#stopping.signal.aborted) return asked;
      await this.#sleep(recheckAfterMs);
    }
  }

  /** The update happened, or will not. */
  finish(deploymentId: string): void {
    this.#tell({ postUpdateEvent: { deploymentId } });
  }

  /** An announcement in flight ends. */
  stop(): void {
    this.#stopping.abort();
  }

  async #ask(preUpdateEvent: Announcement): Promise<Deferral | undefined> {
    const answered = new Promise<Deferral>((resolve) => {
      this.#waiting = { deploymentId: preUpdateEvent.deploymentId, take: resolve };
    });
    this.#tell({ preUpdateEvent });
    const answer = await Promise.race([answered, this.#sleep(this.switches.deferTimeoutMs)]);
    this.#waiting = undefined;
    return answer ?? undefined;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#stopping;
      if (signal.aborted) resolve();
      const timer = setTimeout(resolve, ms).unref();
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #tell(event: object): void {
    for (const stream of this.#subscribers) stream.send('ComponentUpdatePolicyEvents', event);
  }

  #subscribe(stream: IpcStream): object {
    this.#subscribers.add(stream);
    stream.onEnded(() => this.#subscribers.delete(stream));
    return {};
  }

  #defer(deferral: Deferral): object {
    if (this.#subscribers.size === 0) {
      throw new IpcError('InvalidArgumentsError', 'Component is not subscribed to component update events');
    }
    if (deferral.deploymentId === undefined) {
      throw new IpcError('InvalidArgumentsError', 'Cannot defer the update, the deployment ID provided was null');
    }
    if (this.#waiting?.deploymentId !== deferral.deploymentId) {
      throw new IpcError('ServiceError', 'Time limit to respond to PreComponentUpdateEvent exceeded');
    }
    this.deferrals.push(deferral);
    this.#waiting.take(deferral);
    this.#waiting = undefined;
    return {};
  }
}
