import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { certificateIdOf } from '../../support/certificates';
import { fitsFilter } from '../../support/nucleus/fits-filter';
import { until } from '../../support/until';
import type { Account } from '../account';
import { parseJobsTopic } from '../jobs/parse-jobs-topic';
import { listenOn } from '../listen-on';
import { type Device, type IotAction, mayDo } from './device-policy';

/** Published as an ES module only. */
const loadAedes = () => import('aedes');
type AedesClass = Awaited<ReturnType<typeof loadAedes>>['Aedes'];
type Aedes = InstanceType<AedesClass>;
type AedesOptions = NonNullable<ConstructorParameters<AedesClass>[0]>;
type Client = ReturnType<Aedes['handle']>;

export interface BrokerMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** absent: published by the cloud */
  readonly clientId?: string;
}

export interface Denial {
  readonly action: IotAction | 'limit';
  readonly name: string;
  readonly clientId: string;
}

/** What goes wrong while it is true. */
export interface BrokerFaults {
  /** each connection is cut before a word is said */
  refuses: boolean;
  /** CONNECT is never answered */
  stallsConnect: boolean;
  /** CONNECT is answered by "not authorized", as other brokers do */
  rejectsConnect: boolean;
  /** neither PUBLISH nor SUBSCRIBE is answered */
  isMute: boolean;
  /** takes what is published, and hands subscribers nothing */
  isSilent: boolean;
}

/** Reaches the connection that asked, subscribed or not, and no other. */
export type Answer = (topic: string, payload: object) => void;

/** How IoT Core is asked for MQTT on a port that it also speaks HTTPS on. */
const ALPN = 'x-amzn-mqtt-ca';
const MAX_PAYLOAD_BYTES = 128 * 1024;
const MAX_FILTERS = 8;
const MAX_SUBSCRIPTIONS = 50;
const MAX_SLASHES = 7;
const KEPT_MESSAGES = 10_000;

/**
 * IoT Core's message broker. What a policy does not allow, and what is beyond a limit, makes it hang up without a word,
 * as the real one does. Persistent sessions last as long as this object.
 */
export class MqttBroker {
  readonly faults: BrokerFaults = {
    refuses: false,
    stallsConnect: false,
    rejectsConnect: false,
    isMute: false,
    isSilent: false,
  };
  /** The latest, in order, from devices and from the cloud. */
  readonly messages: BrokerMessage[] = [];
  readonly denials: Denial[] = [];
  /** `<action> <client id, topic or filter>` of all that was allowed. */
  readonly grants = new Set<string>();
  /** What each connection asked for by ALPN, in order; false: nothing. */
  readonly protocols: (string | false | null)[] = [];
  /** Told of what devices publish, as the rules engine and the services behind it are. */
  readonly listeners: ((topic: string, payload: Buffer) => void)[] = [];
  /** CONNECTs that were accepted. */
  connects = 0;
  /** PUBLISHes and SUBSCRIBEs that were heard and not answered. */
  unanswered = 0;
  /** TCP connections, whether or not TLS came about. */
  connections = 0;
  /** Hears what devices publish below `$aws/things/<thing>/jobs/`, which nobody else does. */
  onJobsRequest: (topic: string, payload: Buffer, answer: Answer) => void = () => undefined;
  #aedes: Aedes | undefined;
  #server: Server | undefined;
  readonly #sockets = new Set<TLSSocket>();
  /** Those below TLS: a handshake may hang. */
  readonly #raw = new Set<Socket>();
  readonly #devices = new WeakMap<object, Device>();
  readonly #asked = new WeakMap<Client, number>();

  constructor(
    private readonly account: Account,
    private readonly tls: TlsOptions,
    private portNumber: number,
  ) {}

  get port(): number {
    return this.portNumber;
  }

  /** Connections over which TLS stands now. */
  get sockets(): number {
    return this.#sockets.size;
  }

  /** Ids of the clients that are connected now. */
  get clientIds(): string[] {
    return [...this.#sockets].flatMap((socket) => this.#devices.get(socket)?.clientId ?? []);
  }

  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    this.#aedes ??= await (await loadAedes()).Aedes.createBroker(this.#rules());
    const server = createServer({ ...this.tls, ALPNProtocols: [ALPN], requestCert: true, rejectUnauthorized: false });
    this.#server = server;
    server.on('secureConnection', (socket) => this.#accept(socket));
    server.on('tlsClientError', () => undefined);
    server.on('connection', (socket) => {
      this.connections++;
      this.#raw.add(socket);
      socket.once('close', () => this.#raw.delete(socket));
    });
    this.portNumber = await listenOn(server, this.portNumber);
  }

  /** Connections are cut, further ones refused. Sessions stay. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    this.dropAll();
    await closed;
  }

  async stop(): Promise<void> {
    await this.close();
    const aedes = this.#aedes;
    this.#aedes = undefined;
    if (aedes !== undefined) await new Promise<void>((resolve) => aedes.close(resolve));
  }

  dropAll(): void {
    for (const socket of [...this.#sockets, ...this.#raw]) socket.destroy();
  }

  /** The cloud publishes. */
  async publish(topic: string, message: string | Buffer | object): Promise<void> {
    const isRaw = typeof message === 'string' || Buffer.isBuffer(message);
    const payload = Buffer.from(isRaw ? message : JSON.stringify(message));
    const packet = { cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false } as const;
    this.#note({ topic, payload });
    await new Promise<void>((resolve, reject) =>
      this.#aedes!.publish(packet, (error) => (error ? reject(error) : resolve())),
    );
  }

  publishedTo(filter: string): BrokerMessage[] {
    return this.messages.filter(({ topic }) => fitsFilter(topic, filter));
  }

  /** The first message of a device, past or to come, that fits. */
  async waitFor(filter: string, fits: (payload: Buffer) => boolean = () => true): Promise<BrokerMessage> {
    const find = (): BrokerMessage | undefined =>
      this.publishedTo(filter).find(({ payload, clientId }) => clientId !== undefined && fits(payload));
    const describe = () => this.messages.slice(-20).map(({ topic, payload }) => ({ topic, payload: `${payload}` }));
    await until(`published to ${filter}`, () => find() !== undefined, describe);
    return find()!;
  }

  #accept(socket: TLSSocket): void {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    // `raw` is missing when the client sent no certificate; without SNI nobody knows whose account is meant.
    const der = (socket.getPeerCertificate() as { raw?: Buffer }).raw;
    const isNamed = /^(?:.+\.)?localhost$/.test((socket as { servername?: string | false }).servername || '');
    const certificateId = der === undefined || !socket.authorized ? undefined : certificateIdOf(der);
    const isActive = certificateId !== undefined && this.account.findCertificate(certificateId)?.status === 'ACTIVE';
    if (this.faults.refuses || !isNamed || !isActive) {
      socket.destroy();
      return;
    }
    this.protocols.push(socket.alpnProtocol);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#devices.set(socket, { certificateId, clientId: '' });
    this.#aedes!.handle(socket);
  }

  #rules(): AedesOptions {
    return {
      preConnect: (client, { clientId }, done) => {
        const device = { ...this.#devices.get(client.conn)!, clientId };
        if (this.faults.stallsConnect) return;
        if (!mayDo(this.account, device, 'iot:Connect', clientId)) {
          this.denials.push({ action: 'iot:Connect', name: clientId, clientId });
          client.conn.destroy();
          return;
        }
        this.#devices.set(client.conn, device);
        this.connects++;
        this.grants.add(`iot:Connect ${clientId}`);
        done(null, true);
      },
      authenticate: (_client, _username, _password, done) => done(null, !this.faults.rejectsConnect),
      authorizePublish: (client, { topic, payload, qos, retain }, done) => {
        if (client === null) return done(); // the cloud itself
        if (this.faults.isMute) return void this.unanswered++;
        const isTooMuch = payload.length > MAX_PAYLOAD_BYTES || slashes(topic) > MAX_SLASHES || qos === 2;
        if (isTooMuch) return done(this.#refuse(client, 'limit', topic));
        if (!this.#may(client, 'iot:Publish', topic)) return done(this.#refuse(client, 'iot:Publish', topic));
        if (retain && !this.#may(client, 'iot:RetainPublish', topic))
          return done(this.#refuse(client, 'iot:RetainPublish', topic));
        const message = { topic, payload: Buffer.from(payload), clientId: client.id };
        this.#note(message);
        done();
        if (parseJobsTopic(topic) !== undefined) setImmediate(() => this.#askJobs(client, message));
        for (const listen of this.listeners) listen(message.topic, message.payload);
      },
      authorizeSubscribe: (client, subscription, done) => {
        const { topic } = subscription;
        const isAllowed = this.#may(client, 'iot:Subscribe', topic);
        if (!client.connected) return done(null, isAllowed ? subscription : null); // of its persistent session
        if (this.faults.isMute) return void this.unanswered++;
        const held = Object.keys((client as unknown as { subscriptions: object }).subscriptions).length;
        if (slashes(topic) > MAX_SLASHES || this.#countFilter(client) > MAX_FILTERS || held >= MAX_SUBSCRIPTIONS)
          return done(this.#refuse(client, 'limit', topic));
        done(isAllowed ? null : this.#refuse(client, 'iot:Subscribe', topic), subscription);
      },
      // Looked at for each message; a subscription stays, and the connection too.
      authorizeForward: (client, packet) => {
        const isOfDevice = (packet as { clientId?: string }).clientId !== undefined;
        const isRequest = isOfDevice && parseJobsTopic(packet.topic) !== undefined;
        return !isRequest && !this.faults.isSilent && this.#may(client, 'iot:Receive', packet.topic) ? packet : null;
      },
    };
  }

  #askJobs(client: Client, { topic, payload }: BrokerMessage): void {
    this.onJobsRequest(topic, payload, (answerTopic, answer) => {
      const said = Buffer.from(JSON.stringify(answer));
      this.#note({ topic: answerTopic, payload: said });
      // QoS 0: no session keeps it for a later connection.
      const packet = { cmd: 'publish', topic: answerTopic, payload: said, qos: 0, retain: false, dup: false } as const;
      if (client.connected && !client.closed) client.publish(packet, () => undefined);
    });
  }

  /** Filters of one SUBSCRIBE are asked about in one turn of the event loop. */
  #countFilter(client: Client): number {
    const count = (this.#asked.get(client) ?? 0) + 1;
    this.#asked.set(client, count);
    if (count === 1) setImmediate(() => this.#asked.delete(client));
    return count;
  }

  #may(client: Client, action: IotAction, name: string): boolean {
    const may = mayDo(this.account, this.#devices.get(client.conn)!, action, name);
    if (may) this.grants.add(`${action} ${name}`);
    return may;
  }

  /** @returns what makes the broker hang up */
  #refuse(client: Client, action: Denial['action'], name: string): Error {
    this.denials.push({ action, name, clientId: client.id });
    return new Error(`${action} ${name}`);
  }

  #note(message: BrokerMessage): void {
    this.messages.push(message);
    if (this.messages.length > KEPT_MESSAGES) this.messages.shift();
  }
}

const slashes = (topic: string): number => topic.split('/').length - 1;
