import { randomUUID } from 'node:crypto';
import { type IotMessage, notifyInbox } from '../../../src/cloud/handlers/inbox-notifier';
import type { Account } from '../account';
import type { ObjectRecord } from '../s3/records';

/** S3's events by EventBridge: its rule, and the handler behind it as it runs in the account. */
export class InboxEvents {
  onMessage: (message: IotMessage) => Promise<void> = () => Promise.resolve();

  constructor(private readonly account: Account) {}

  add({ bucket, key, sizeBytes, etag }: ObjectRecord): void {
    if (this.account.findBucket(bucket)?.notifiesInbox !== true || !/^.*\/inbox\/.*$/s.test(key)) return;
    const event = {
      version: '0',
      id: randomUUID(),
      'detail-type': 'Object Created',
      source: 'aws.s3',
      account: this.account.accountId,
      region: this.account.region,
      resources: [`arn:aws:s3:::${bucket}`],
      detail: { version: '0', bucket: { name: bucket }, object: { key, size: sizeBytes, etag } },
    };
    // Later, and whether or not anybody waits for it: events take their own way.
    setImmediate(() => void notifyInbox(event, (message) => this.onMessage(message)));
  }
}
