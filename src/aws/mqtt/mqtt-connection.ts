import { rootCertificates } from 'node:tls';
import type { Clock } from '../../clock';
import type { HttpProxy } from '../../domain/choose-proxy';
import type { DeviceFiles } from '../credentials/device-files';
import type * as Crt from './crt';

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly keepAliveSeconds: number;
  readonly files: DeviceFiles;
  /** The way to the host. */
  readonly proxy: HttpProxy | undefined;
  readonly clock: Clock;
  readonly onMessage: (topic: string, payload: Buffer) => void;
}

/** No connection came about. `code` as the CRT names it, or NO_ANSWER. */
export class ConnectFailed extends Error {
  override readonly name = 'ConnectFailed';

  constructor(readonly code: string) {
    super(code);
  }
}

/** The connection went, and nobody knows what became of the call. `isHangUp`: the broker closed it. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';

  constructor(
    message: string,
    readonly isHangUp: boolean,
  ) {
    super(message);
  }
}

/** Over a satellite TLS takes seconds; the CRT itself takes 17 s to say that a CA is wrong. */
const CONNECT_WITHIN_MS = 15_000;
const ANSWER_WITHIN_MS = 30_000;
const CLOSE_WITHIN_MS = 2_000;
/** Calls in a row without an answer before the connection is taken to be dead. */
const MAX_UNANSWERED = 2;
/** Also how long the CRT waits for the answer to CONNECT. */
const PING_WITHIN_MS = 10_000;
/** IoT Core speaks MQTT beside HTTPS on 443 when it is asked for so. */
const ALPN_443 = 'x-amzn-mqtt-ca';

/**
 * One connection of the CRT, from its making to its end. What the CRT would do by itself, connecting again and repeating
 * what was asked, is left out: it would repeat for ever what makes the broker hang up.
 */
export class MqttConnection {
  readonly #lost = new AbortController();
  #reason = new ConnectionLost('the connection is closed', false);
  #unanswered = 0;

  private constructor(
    private readonly crt: typeof Crt,
    private readonly clock: Clock,
    private readonly connection: Crt.MqttClientConnection,
  ) {}

  /** @throws ConnectFailed */
  static async open(crt: typeof Crt, options: ConnectionOptions, signal: AbortSignal): Promise<MqttConnection> {
    const { clock, onMessage } = options;
    const connection = new crt.MqttClient().new_connection({
      client_id: options.clientId,
      host_name: options.host,
      port: options.port,
      socket_options: new crt.SocketOptions(undefined, undefined, CONNECT_WITHIN_MS),
      tls_ctx: new crt.ClientTlsContext(tlsOptions(crt, options)),
      // So that what is published while we are away waits for us.
      clean_session: false,
      keep_alive: options.keepAliveSeconds,
      ping_timeout: PING_WITHIN_MS,
      protocol_operation_timeout: ANSWER_WITHIN_MS,
      // The CRT closes a lost connection only after this pause.
      reconnect_min_sec: 1,
      reconnect_max_sec: 1,
      ...(options.proxy === undefined ? {} : { proxy_options: proxyOptions(crt, options.proxy) }),
      disable_metrics: true,
      username: undefined!,
      password: undefined!,
    });
    const opened = new MqttConnection(crt, clock, connection);
    // Before connecting: what waited for us comes with the answer to CONNECT.
    connection.on('message', (topic, payload) => onMessage(topic, Buffer.from(payload as ArrayBuffer)));
    connection.on('interrupt', (error) => opened.#lose(new ConnectionLost(error.error_name ?? String(error), true)));
    const over = new AbortController();
    const connecting = connection.connect();
    const tooLate = clock.sleep(CONNECT_WITHIN_MS, AbortSignal.any([over.signal, signal])).then(() => {
      if (over.signal.aborted) return;
      // It cannot be called off. Should it succeed after all, it ends at once.
      connecting.then(
        () => opened.close(),
        () => undefined,
      );
      throw new ConnectFailed('NO_ANSWER');
    });
    try {
      await Promise.race([connecting, tooLate]);
      return opened;
    } catch (error) {
      if (error instanceof ConnectFailed) throw error;
      throw new ConnectFailed(/\bAWS_\w+/.exec(String(error))?.[0] ?? String(error)); // rejected with a text
    } finally {
      over.abort();
    }
  }

  /** Aborts when the connection is gone. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Why; of use when it is lost. */
  get reason(): ConnectionLost {
    return this.#reason;
  }

  /** @throws ConnectionLost, Error when there is no answer in time */
  async publish(topic: string, payload: Buffer): Promise<void> {
    await this.#answerOf(() => this.connection.publish(topic, payload, this.crt.QoS.AtLeastOnce));
  }

  /** @throws ConnectionLost, Error when there is no answer in time, or it is a refusal */
  async subscribe(topic: string): Promise<void> {
    const { error_code: code } = await this.#answerOf(() => this.connection.subscribe(topic, this.crt.QoS.AtLeastOnce));
    if (code !== undefined && code !== 0) throw new Error(`the broker does not subscribe ${topic} (${code})`);
  }

  async unsubscribe(topic: string): Promise<void> {
    await this.#answerOf(() => this.connection.unsubscribe(topic));
  }

  /** Ends in time of its own, connected or not. */
  async close(): Promise<void> {
    this.#lose(this.#reason);
    const over = new AbortController();
    await Promise.race([
      this.connection.disconnect().catch(() => undefined),
      this.clock.sleep(CLOSE_WITHIN_MS, over.signal),
    ]);
    over.abort();
  }

  #lose(reason: ConnectionLost): void {
    if (this.#lost.signal.aborted) return;
    this.#reason = reason;
    this.#lost.abort();
  }

  /** What is asked of a connection that is gone would stay unanswered for ever: so every call has a time of ours. */
  async #answerOf<T>(ask: () => Promise<T>): Promise<T> {
    if (this.lost.aborted) throw this.#reason;
    const over = new AbortController();
    const noAnswer = this.clock.sleep(ANSWER_WITHIN_MS, AbortSignal.any([over.signal, this.lost])).then(() => {
      if (over.signal.aborted) return undefined as never;
      if (this.lost.aborted) throw this.#reason;
      const silence = `no answer from the broker within ${ANSWER_WITHIN_MS / 1000} s`;
      if (++this.#unanswered >= MAX_UNANSWERED) this.#lose(new ConnectionLost(silence, false));
      throw new Error(silence);
    });
    const answered = ask();
    answered.catch(() => undefined); // it may come when nobody waits any more
    try {
      const answer = await Promise.race([answered, noAnswer]);
      this.#unanswered = 0;
      return answer;
    } catch (error) {
      throw this.lost.aborted ? this.#reason : error;
    } finally {
      over.abort();
    }
  }
}

function tlsOptions(crt: typeof Crt, { port, files }: ConnectionOptions): Crt.TlsContextOptions {
  const options = crt.TlsContextOptions.create_client_with_mtls(files.cert.toString(), files.key.toString());
  // The same without a file as for HTTPS: small systems have no store of their own.
  options.override_default_trust_store(files.ca?.toString() ?? rootCertificates.join('\n'));
  options.min_tls_version = crt.TlsVersion.TLSv1_2;
  if (port === 443) options.alpn_list = [ALPN_443];
  return options;
}

function proxyOptions(crt: typeof Crt, { host, port, userInfo }: HttpProxy): Crt.HttpProxyOptions {
  const { HttpProxyAuthenticationType: Authentication, HttpProxyConnectionType: Connection } = crt;
  const [, user = '', password = ''] = /^([^:]*):(.*)$/.exec(userInfo ?? '') ?? [];
  const who = userInfo === undefined ? Authentication.None : Authentication.Basic;
  return new crt.HttpProxyOptions(host, port, who, user, password, undefined, Connection.Tunneling);
}
