import type { IotMessage } from '../../../src/cloud/handlers/inbox-notifier';
import { type TokenVendorSettings, vendToken } from '../../../src/cloud/handlers/token-vendor';
import { fitsFilter } from '../../support/nucleus/fits-filter';
import { isAllowed, type PolicyDocument } from '../policy';
import type { Sts } from '../sts';

export interface TokenRuleOptions {
  readonly settings: TokenVendorSettings;
  /** Of the function: what it may assume and publish to. */
  readonly functionRole: { readonly arn: string; readonly policy: PolicyDocument };
  readonly topicArn: (topic: string) => string;
  readonly sts: Sts;
}

/** The topic rule `SELECT topic(1) AS name, requestId FROM '+/token/req'`, and the function behind it as it runs in the account. */
export class TokenRule {
  /** How often the function was called. */
  calls = 0;
  /** While true its answers go nowhere. */
  isMute = false;
  /** What goes wrong in it: errors that nobody but its log sees. */
  readonly failures: Error[] = [];

  constructor(private readonly options: TokenRuleOptions) {}

  /** A device has published. */
  take(topic: string, payload: Buffer, publish: (message: IotMessage) => Promise<unknown>): void {
    if (!fitsFilter(topic, '+/token/req')) return;
    const { settings, functionRole, sts, topicArn } = this.options;
    this.calls++;
    if (this.isMute) return;
    const may = (action: string, resource: string): void => {
      if (!isAllowed([functionRole.policy], { action, resource, context: {} }))
        throw new Error(`the function's role does not allow ${action} on ${resource}`);
    };
    const event = { name: topic.split('/')[0]!, requestId: fieldOf(payload, 'requestId') };
    setImmediate(() => {
      vendToken(
        event,
        settings,
        (input) => {
          may('sts:AssumeRole', input.RoleArn);
          return sts.assumeRole(functionRole.arn, input);
        },
        (message) => {
          may('iot:Publish', topicArn(message.topic));
          return publish(message);
        },
      ).catch((error: Error) => this.failures.push(error));
    });
  }
}

/** As the rule's SELECT finds it: nothing where there is no JSON. */
function fieldOf(payload: Buffer, name: string): unknown {
  try {
    return (JSON.parse(payload.toString()) as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}
