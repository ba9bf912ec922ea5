import type { MqttConnection } from '../../src/aws/mqtt/mqtt-connection';
import { until } from './until';

export type JobsMessage = Record<string, unknown>;
export type JobsAnswer = JobsMessage & { is: 'accepted' | 'rejected' };

/** What a thing says about its jobs, and what it hears, over a connection of AWS's own MQTT client. */
export class JobsDevice {
  #tokens = 0;

  constructor(
    readonly thing: string,
    readonly connection: MqttConnection,
    /** `<topic> <payload>` */
    readonly heard: readonly string[],
  ) {}

  topic(rest: string): string {
    return `$aws/things/${this.thing}/jobs/${rest}`;
  }

  /** What came on exactly this topic. */
  messages(rest: string): JobsMessage[] {
    const start = `${this.topic(rest)} `;
    return this.heard
      .filter((each) => each.startsWith(start))
      .map((each) => JSON.parse(each.slice(start.length)) as JobsMessage);
  }

  async waitForMessages(rest: string, count: number): Promise<JobsMessage[]> {
    await until(
      `${count} × ${rest}`,
      () => this.messages(rest).length >= count,
      () => this.heard,
    );
    return this.messages(rest);
  }

  async say(rest: string, payload: object | string | Buffer): Promise<void> {
    const isRaw = typeof payload === 'string' || Buffer.isBuffer(payload);
    await this.connection.publish(this.topic(rest), Buffer.from(isRaw ? payload : JSON.stringify(payload)));
  }

  /** The answer, whichever it is; its token and its time are checked and left out. */
  async ask(rest: string, request: object = {}): Promise<JobsAnswer> {
    const clientToken = `token-${this.#tokens++}`;
    await this.say(rest, { ...request, clientToken });
    await until(
      `answer to ${rest}`,
      () => this.#answers(rest, clientToken).length > 0,
      () => this.heard,
    );
    const [{ clientToken: _, timestamp, ...answer }] = this.#answers(rest, clientToken) as [JobsAnswer];
    if (!Number.isInteger(timestamp)) throw new Error(`the time is in whole seconds, not ${timestamp}`);
    return answer as JobsAnswer;
  }

  #answers(rest: string, clientToken: string): JobsAnswer[] {
    return (['accepted', 'rejected'] as const).flatMap((is) =>
      this.messages(`${rest}/${is}`)
        .filter((each) => each.clientToken === clientToken)
        .map((each) => ({ is, ...each })),
    );
  }
}
