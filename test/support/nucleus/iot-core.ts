import { parseJobsTopic } from '../../local-cloud/jobs/parse-jobs-topic';
import { until } from '../until';
import { type AccessControl, MQTT_PROXY } from './access-control';
import { fitsFilter } from './fits-filter';
import { IpcError } from './ipc-error';
import type { IpcStream } from './ipc-stream';
import type { IpcOperation } from './nucleus-ipc';
import type { NucleusSwitches } from './switches';

export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1;
}

interface Subscriber {
  readonly filter: string;
  readonly stream: IpcStream;
}

/** IoT Core's limit for a payload. */
const MAX_PAYLOAD_BYTES = 128 * 1024;

/** IoT Core behind the nucleus's MQTT proxy: what the component publishes arrives here, and the cloud publishes from here. */
export class IotCore {
  readonly operations: Readonly<Record<string, IpcOperation>> = {
    PublishToIoTCore: { answer: (body) => this.#take(body) },
    SubscribeToIoTCore: { hasEvents: true, answer: (body, stream) => this.#subscribe(body, stream) },
  };
  /** What arrived from the component, in order. */
  readonly published: Publication[] = [];
  readonly #listeners: { readonly filter: string; readonly hear: (publication: Publication) => void }[] = [];
  readonly #subscribers = new Set<Subscriber>();
  #spool: Publication[] = [];
  #unacknowledged = 0;
  #isUp = true;

  constructor(
    private readonly access: AccessControl,
    private readonly switches: NucleusSwitches,
  ) {}

  /** Of live subscriptions. */
  get filters(): string[] {
    return [...this.#subscribers].map(({ filter }) => filter);
  }

  get spooled(): number {
    return this.#spool.length;
  }

  /** The nucleus loses its connection to IoT Core. What is published to the component meanwhile is lost. */
  goDown(): void {
    this.#isUp = false;
  }

  comeUp(): void {
    this.#isUp = true;
    for (const publication of this.#spool.splice(0)) this.#arrive(publication);
  }

  /** The daemon that holds the MQTT connection starts anew: all subscriptions are dead and nobody is told. */
  restartMqttDaemon(): void {
    this.#subscribers.clear();
    this.#unacknowledged = 0;
  }

  /** The cloud publishes. @returns to how many subscriptions */
  publish(topic: string, message: string | Uint8Array | object): number {
    const isRaw = typeof message === 'string' || message instanceof Uint8Array;
    const payload = Buffer.from(isRaw ? message : JSON.stringify(message));
    return this.#isUp ? this.#deliver({ topic, payload, qos: 1 }) : 0;
  }

  /** The cloud, or another device, listens. */
  on(filter: string, hear: (publication: Publication) => void): void {
    this.#listeners.push({ filter, hear });
  }

  publishedTo(filter: string): Publication[] {
    return this.published.filter(({ topic }) => fitsFilter(topic, filter));
  }

  /** The first publication, past or to come, that fits. */
  async waitFor(filter: string, fits: (payload: Buffer) => boolean = () => true): Promise<Publication> {
    const find = (): Publication | undefined => this.publishedTo(filter).find(({ payload }) => fits(payload));
    const describe = () => this.published.slice(-20).map(({ topic, payload }) => ({ topic, payload: `${payload}` }));
    await until(`published to ${filter}`, () => find() !== undefined, describe);
    return find()!;
  }

  #take({ topicName, payload, qos }: Record<string, unknown>): object {
    const topic = this.#permitted('PublishToIoTCore', topicName);
    const publication: Publication = {
      topic,
      payload: Buffer.from(String(payload ?? ''), 'base64'),
      qos: this.#qosOf(qos),
    };
    if (publication.payload.length > MAX_PAYLOAD_BYTES) throw this.#failed(topic, 'the message is too large');
    if (this.#isUp) this.#send(publication);
    else this.#keep(publication);
    return {};
  }

  #send(publication: Publication): void {
    const { maxUnacknowledged = Number.POSITIVE_INFINITY, acknowledgeAfterMs } = this.switches;
    if (publication.qos === 1) {
      if (this.#unacknowledged >= maxUnacknowledged) throw this.#failed(publication.topic, 'too many in flight');
      this.#unacknowledged++;
      if (acknowledgeAfterMs !== 'never') setTimeout(() => this.#acknowledge(), acknowledgeAfterMs).unref();
    }
    this.#arrive(publication);
  }

  #acknowledge(): void {
    this.#unacknowledged = Math.max(0, this.#unacknowledged - 1);
  }

  #keep(publication: Publication): void {
    const { topic, qos, payload } = publication;
    if (this.switches.spoolBytes === 0) throw this.#failed(topic, 'not connected');
    if (qos === 0) throw this.#failed(topic, 'Device is offline. Dropping QoS 0 message.');
    const used = this.#spool.reduce((sum, kept) => sum + kept.payload.length, 0);
    if (used + payload.length > this.switches.spoolBytes) {
      throw this.#failed(topic, 'Message spool is full. Message could not be added.');
    }
    this.#spool.push(publication);
  }

  #arrive(publication: Publication): void {
    this.published.push(publication);
    for (const { filter, hear } of this.#listeners) if (fitsFilter(publication.topic, filter)) hear(publication);
    // Those are for the service alone.
    if (parseJobsTopic(publication.topic) === undefined) this.#deliver(publication);
  }

  #deliver({ topic, payload }: Publication): number {
    if (topic.length + payload.length > (this.switches.maxInboundBytes ?? Number.POSITIVE_INFINITY)) return 0;
    const fitting = [...this.#subscribers].filter(({ filter }) => fitsFilter(topic, filter));
    const message = { topicName: topic, payload: payload.toString('base64') };
    // After the answer to the publication itself, which a component may be waiting for on the same connection.
    for (const { stream } of fitting) setImmediate(() => stream.send('IoTCoreMessage', { message }));
    return fitting.length;
  }

  #subscribe({ topicName, qos }: Record<string, unknown>, stream: IpcStream): object {
    const filter = this.#permitted('SubscribeToIoTCore', topicName);
    this.#qosOf(qos);
    if (!this.#isUp) {
      throw new IpcError(
        'ServiceError',
        this.switches.kind === 'classic'
          ? `Subscribe to topic ${filter} failed with error not connected`
          : 'Failed to bind the subscription.',
      );
    }
    const subscriber = { filter, stream };
    this.#subscribers.add(subscriber);
    stream.onEnded(() => this.#subscribers.delete(subscriber));
    return {};
  }

  #permitted(operation: string, topic: unknown): string {
    if (typeof topic !== 'string') throw this.#invalid('Topic is required');
    if (this.access.allows(MQTT_PROXY, operation, topic)) return topic;
    const isClassic = this.switches.kind === 'classic';
    throw new IpcError('UnauthorizedError', isClassic ? 'Not Authorized' : 'IPC Operation not authorized.');
  }

  #qosOf(qos: unknown): 0 | 1 {
    if (qos === undefined && this.switches.kind === 'lite') return 0;
    if (qos === undefined) throw this.#invalid('QoS is required');
    if (qos !== '0' && qos !== '1') throw this.#invalid(`Invalid QoS value: ${String(qos)}`);
    return qos === '1' ? 1 : 0;
  }

  #invalid(message: string): IpcError {
    return this.switches.kind === 'classic'
      ? new IpcError('InvalidArgumentsError', message)
      : new IpcError('ServiceError', 'Received invalid parameters.');
  }

  #failed(topic: string, why: string): IpcError {
    const isClassic = this.switches.kind === 'classic';
    return new IpcError(
      'ServiceError',
      isClassic ? `Publish to topic ${topic} failed: ${why}` : 'Failed to publish the message.',
    );
  }
}
