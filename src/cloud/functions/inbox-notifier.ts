import { IoTDataPlaneClient, PublishCommand } from '@aws-sdk/client-iot-data-plane';
import { notifyInbox, type ObjectCreatedEvent } from '../handlers/inbox-notifier';

const iot = new IoTDataPlaneClient({});

/** The edge of AWS Lambda. */
export function handler(event: ObjectCreatedEvent): Promise<void> {
  return notifyInbox(event, (message) => iot.send(new PublishCommand(message)));
}
