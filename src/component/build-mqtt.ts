import { MqttBus } from '../aws/mqtt/mqtt-bus';
import type { Clock } from '../clock';
import type { Config } from '../config/schema';
import type { ChooseProxy } from '../domain/choose-proxy';
import { UsageError } from '../domain/errors';
import type { Log } from '../log';
import type { Bus, Channel } from '../messages/bus';

export interface MqttEdge {
  readonly buses?: Readonly<Partial<Record<Channel, Bus>>>;
  readonly chooseProxy: ChooseProxy;
  readonly knownNowMs: () => number | undefined;
  readonly clock: Clock;
  readonly dice: () => number;
  readonly log: Log;
}

const DEFAULT_PORT = 8883;

/** Where a nucleus runs us its connection serves: a second one by the thing's name would throw it out. */
export function buildMqtt({ mqtt, thing, credentials, upload }: Config, edge: MqttEdge): MqttBus | undefined {
  const { endpoint, clientId = thing.name, keepAliveSeconds, caFile } = mqtt;
  if (endpoint === undefined || edge.buses?.cloud !== undefined) return undefined;
  const { certificateFile, privateKeyFile } = thing;
  if (clientId === undefined || certificateFile === undefined || privateKeyFile === undefined)
    throw new UsageError(
      'mqtt.endpoint needs thing.name, thing.certificateFile and thing.privateKeyFile; set them, or leave mqtt.endpoint out',
    );
  const { hostname, port } = new URL(endpoint.replace(/^(?:\w+:\/\/)?/, 'mqtts://'));
  // Where tokens come this way files wait for it.
  const isNeeded = [credentials.source].flat().includes('mqtt-token');
  const { requestTopic, responseTopic } = credentials.mqttToken;
  const topics = [requestTopic, responseTopic].map((topic) => topic.replaceAll('{thing}', thing.name ?? ''));
  const isTopic = (name: string): boolean => topics.includes(name) || /^\$aws\/things\/[^/]+\/shadow\//.test(name);
  return new MqttBus({
    ...edge,
    host: hostname,
    port: port === '' ? DEFAULT_PORT : Number(port),
    clientId,
    keepAliveSeconds,
    ...(isNeeded ? { needed: { isTopic, againMs: upload.probeMaxSeconds * 1000 } } : {}),
    certificateFile,
    privateKeyFile,
    caFile,
  });
}
