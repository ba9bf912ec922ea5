const SERVICE: Readonly<Record<string, string>> = {
  PublishToTopic: 'aws.greengrass.ipc.pubsub',
  SubscribeToTopic: 'aws.greengrass.ipc.pubsub',
  PublishToIoTCore: 'aws.greengrass.ipc.mqttproxy',
  SubscribeToIoTCore: 'aws.greengrass.ipc.mqttproxy',
};

/** The nucleus does not take a topic for one: no waiting helps. */
export const explainInvalid = (operation: string, topic: string, reason: string): string =>
  `the nucleus does not accept ${operation} on ${topic} (${reason}); configure another topic`;

/** The nucleus does not let the component use a topic: what has to be merged into its configuration so that it does. */
export function explainDenied(operation: string, topic: string): string {
  const service = SERVICE[operation] ?? 'aws.greengrass.ipc.pubsub';
  const policy = { operations: [`aws.greengrass#${operation}`], resources: [topic] };
  const merge = { accessControl: { [service]: { [`com.thingcourier.Courier:own:${operation}`]: policy } } };
  return `the component's accessControl does not allow ${operation} on ${topic}; deploy it with this merged into its configuration: ${JSON.stringify(merge)}`;
}
