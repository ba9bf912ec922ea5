import { THING_NAME } from '../../domain/thing-name';

/** What EventBridge hands over of an `Object Created` of S3; the key is plain there. */
export interface ObjectCreatedEvent {
  readonly id: string;
  readonly detail: { readonly bucket: { readonly name: string }; readonly object: { readonly key: string } };
}

/** As `PublishCommand` of `@aws-sdk/client-iot-data-plane` takes it. */
export interface IotMessage {
  readonly topic: string;
  readonly qos: 0 | 1;
  readonly payload: string;
}

/**
 * Runs in the account: an object that was put below `<thing>/inbox/` becomes a trigger for its thing. The rule before it
 * lets any key with `/inbox/` in it through: deeper ones too. Delivery is at least once: so the trigger carries the event's id.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
 */
export async function notifyInbox(
  { id, detail }: ObjectCreatedEvent,
  publish: (message: IotMessage) => Promise<unknown>,
): Promise<void> {
  const { key } = detail.object;
  const [thing = '', folder, ...rest] = key.split('/');
  if (!THING_NAME.test(thing) || folder !== 'inbox' || rest.at(-1) === '' || rest.length === 0) return;
  await publish({ topic: `courier/${thing}/inbox/pull`, qos: 1, payload: JSON.stringify({ id, keys: [key] }) });
}
