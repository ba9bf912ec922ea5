import { IpcError } from './ipc-error';
import type { IpcStream } from './ipc-stream';
import type { IpcOperation } from './nucleus-ipc';
import type { NucleusSwitches } from './switches';

export interface ValidityReport {
  readonly deploymentId: string;
  readonly status: 'ACCEPTED' | 'REJECTED';
  readonly message?: string;
}

/** Asks the component what it thinks of a configuration before that is merged. */
export class ConfigurationValidation {
  readonly operations: Readonly<Record<string, IpcOperation>> = {
    SubscribeToValidateConfigurationUpdates: {
      hasEvents: true,
      answer: (_body, stream) => this.#subscribe(stream),
    },
    SendConfigurationValidityReport: { answer: (body) => this.#report(body) },
  };
  readonly reports: ValidityReport[] = [];
  readonly #waiting = new Map<string, (report: ValidityReport) => void>();
  #subscriber: IpcStream | undefined;

  constructor(private readonly switches: NucleusSwitches) {}

  get isSubscribed(): boolean {
    return this.#subscriber !== undefined;
  }

  /** @returns undefined where nobody is to be asked */
  async ask(deploymentId: string, configuration: object): Promise<ValidityReport | 'unanswered' | undefined> {
    if (!this.switches.validates || this.#subscriber === undefined) return undefined;
    const answered = new Promise<ValidityReport | 'unanswered'>((resolve) => {
      const timer = setTimeout(() => resolve('unanswered'), this.switches.validationTimeoutMs);
      this.#waiting.set(deploymentId, (report) => {
        clearTimeout(timer);
        resolve(report);
      });
    });
    this.#subscriber.send('ValidateConfigurationUpdateEvents', {
      validateConfigurationUpdateEvent: { configuration, deploymentId },
    });
    try {
      return await answered;
    } finally {
      this.#waiting.delete(deploymentId);
    }
  }

  /** As in the real one, a second subscriber is answered but not heard, and any that leaves takes the place with it. */
  #subscribe(stream: IpcStream): object {
    this.#subscriber ??= stream;
    stream.onEnded(() => {
      this.#subscriber = undefined;
    });
    return {};
  }

  #report({ configurationValidityReport }: Record<string, unknown>): object {
    const report = configurationValidityReport as ValidityReport;
    if (report.deploymentId === undefined) {
      throw new IpcError(
        'InvalidArgumentsError',
        'Cannot accept configuration validity report, the deployment ID provided was null',
      );
    }
    const answer = this.#waiting.get(report.deploymentId);
    if (answer === undefined) {
      throw new IpcError('InvalidArgumentsError', 'Validation request either timed out or was never made');
    }
    this.reports.push(report);
    answer(report);
    return {};
  }
}
