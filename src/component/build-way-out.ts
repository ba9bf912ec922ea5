import type { MqttBus } from '../aws/mqtt/mqtt-bus';
import type { Clock } from '../clock';
import type { Config } from '../config/schema';
import type { ChooseProxy } from '../domain/choose-proxy';
import { ServerClock } from '../link/server-clock';
import type { Log } from '../log';
import type { Bus, Channel } from '../messages/bus';
import { buildCredentials, type Credentials } from './build-credentials';
import { buildMqtt } from './build-mqtt';
import { buildProxy, type SurroundingProxy } from './build-proxy';

export interface WayOutEdge {
  readonly tokenExchange: { readonly uri: string; readonly authorization: string } | undefined;
  readonly proxy?: SurroundingProxy;
  readonly buses?: Readonly<Partial<Record<Channel, Bus>>>;
  readonly clock: Clock;
  readonly dice: () => number;
  readonly log: Log;
}

/** How the cloud is reached, what time it is there, and by what right we come. Nothing of it has started. */
export interface WayOut {
  readonly serverClock: ServerClock;
  readonly chooseProxy: ChooseProxy;
  /** A connection of our own, where the nucleus has none for us. */
  readonly mqtt: MqttBus | undefined;
  readonly buses: WayOutEdge['buses'];
  readonly credentials: Credentials | undefined;
}

/** @param onReady who waits for credentials may get some now @throws UsageError */
export function buildWayOut(config: Config, edge: WayOutEdge, onReady: () => void): WayOut {
  const serverClock = new ServerClock(edge.clock);
  const chooseProxy = buildProxy(config, edge.proxy);
  const mqtt = buildMqtt(config, { ...edge, chooseProxy, knownNowMs: () => serverClock.knownNowMs() });
  const buses = mqtt === undefined ? edge.buses : { ...edge.buses, cloud: mqtt };
  const credentials = buildCredentials(config, { ...edge, serverClock, chooseProxy, bus: buses?.cloud, onReady });
  return { serverClock, chooseProxy, mqtt, buses, credentials };
}
