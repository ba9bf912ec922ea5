import { readFileSync } from 'node:fs';
import { loadDeviceFiles } from '../../src/aws/credentials/device-files';
import * as crt from '../../src/aws/mqtt/crt';
import { MqttBus, type MqttBusOptions } from '../../src/aws/mqtt/mqtt-bus';
import { MqttConnection } from '../../src/aws/mqtt/mqtt-connection';
import { type Clock, systemClock } from '../../src/clock';
import type { LocalCloud, LocalThing } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import { CloudFixture } from './cloud-fixture';
import { silentLog } from './silent-log';
import { until } from './until';

/** A cloud, and what its things say to its broker; `stop` ends all of it. */
export class MqttSite {
  readonly #buses: MqttBus[] = [];
  readonly #connections: MqttConnection[] = [];

  private constructor(readonly fixture: CloudFixture) {}

  static async start(...options: Parameters<typeof CloudFixture.start>): Promise<MqttSite> {
    return new MqttSite(await CloudFixture.start(...options));
  }

  get cloud(): LocalCloud {
    return this.fixture.cloud;
  }

  createThing(name: string, certificatePolicy: PolicyDocument): Promise<LocalThing> {
    return this.cloud.createThing(name, { certificatePolicy });
  }

  /** The pauses are the shortest there are. */
  bus(thing: LocalThing, options: Partial<MqttBusOptions> = {}): MqttBus {
    const bus = new MqttBus({
      host: 'localhost',
      port: this.cloud.mqtt.port,
      clientId: thing.name,
      keepAliveSeconds: 1200,
      certificateFile: thing.certificateFile,
      privateKeyFile: thing.privateKeyFile,
      caFile: this.cloud.caFile,
      clock: systemClock,
      dice: () => 0,
      log: silentLog,
      ...options,
    }).start();
    this.#buses.push(bus);
    return bus;
  }

  async connectedBus(thing: LocalThing, options: Partial<MqttBusOptions> = {}): Promise<MqttBus> {
    const bus = this.bus(thing, options);
    await until(
      'connected',
      () => bus.status.state === 'connected',
      () => bus.status,
    );
    return bus;
  }

  /** The CRT by itself, without our care. */
  async connect(
    thing: LocalThing,
    { clientId = thing.name, clock = systemClock }: { clientId?: string; clock?: Clock } = {},
  ): Promise<{ connection: MqttConnection; heard: string[] }> {
    const heard: string[] = [];
    const connection = await MqttConnection.open(
      crt,
      {
        host: 'localhost',
        port: this.cloud.mqtt.port,
        clientId,
        keepAliveSeconds: 1200,
        files: { ...loadDeviceFiles({ ...thing, caFile: undefined }), ca: readFileSync(this.cloud.caFile) },
        clock,
        proxy: undefined,
        onMessage: (topic, payload) => heard.push(`${topic} ${payload.toString()}`),
      },
      new AbortController().signal,
    );
    this.#connections.push(connection);
    return { connection, heard };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#buses.map((bus) => bus.stop()), ...this.#connections.map((each) => each.close())]);
    await this.fixture.stop();
  }
}
