import {
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
} from '@aws-sdk/client-s3';
import { CloudError } from '../cloud-error';
import { lookAgain } from '../look-again';
import type { Bucket } from './bucket';

/** What is read may be old: S3 lets such settings take minutes, and nobody waits for that here. */
const READ_BACK_MS = 5_000;

/** What becomes of objects of a bucket, and who is told. One request replaces all of it: nobody else's part may be lost. */
export async function readNotifications(bucket: Bucket): Promise<NotificationConfiguration> {
  const { $metadata: _, ...configuration } = await bucket.ask('s3:GetBucketNotification', undefined, () =>
    bucket.s3.send(new GetBucketNotificationConfigurationCommand(bucket.at)),
  );
  return configuration;
}

export const isSwitchedOn = ({ EventBridgeConfiguration }: NotificationConfiguration): boolean =>
  EventBridgeConfiguration !== undefined;

/** With EventBridge; all else as it is. */
export const switchedOn = (configuration: NotificationConfiguration): NotificationConfiguration => ({
  ...configuration,
  EventBridgeConfiguration: {},
});

/**
 * Writes what `switchedOn` makes of what was read, unless that has changed since, and looks whether it has come to be.
 * @returns false when S3 has taken it and does not show it yet @throws CloudError when somebody else writes at the same time
 */
export async function switchOn(bucket: Bucket, read: NotificationConfiguration, signal: AbortSignal): Promise<boolean> {
  if (!isSame(await readNotifications(bucket), read)) throw changed(bucket, 'was changed by somebody else just now');
  const wanted = switchedOn(read);
  await bucket.ask('s3:PutBucketNotification', undefined, () =>
    bucket.s3.send(
      new PutBucketNotificationConfigurationCommand({
        ...bucket.at,
        NotificationConfiguration: wanted,
        // Theirs are as they were: no test event for each of them, and no refusal where one is gone.
        SkipDestinationValidation: true,
      }),
    ),
  );
  const look = async (): Promise<true | undefined> => {
    const found = await readNotifications(bucket);
    if (isSame(found, wanted)) return true;
    if (isSame(found, read)) return undefined; // as it was a moment ago
    throw changed(bucket, 'is not what was written: somebody else has written it too');
  };
  return (await lookAgain(look, READ_BACK_MS, signal)) === true;
}

const changed = ({ name }: Bucket, what: string): CloudError =>
  new CloudError(
    `the notification configuration of ${name} ${what}; do it again, and see that nothing of theirs is missing: aws s3api get-bucket-notification-configuration --bucket ${name}`,
  );

/** The order of names in it means nothing. */
const isSame = (a: NotificationConfiguration, b: NotificationConfiguration): boolean => sorted(a) === sorted(b);

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([x], [y]) => (x < y ? -1 : 1)))
      : one,
  );
