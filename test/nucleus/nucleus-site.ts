import { type Client, createClient, createDefaultClientConfig } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc';
import { Nucleus, type NucleusOptions } from '../support/nucleus/nucleus';

/** A nucleus, and clients of the real SDK, which leak native memory unless they are closed. */
export class NucleusSite {
  readonly #clients: Client[] = [];

  private constructor(readonly nucleus: Nucleus) {}

  static async start(options: NucleusOptions): Promise<NucleusSite> {
    return new NucleusSite(await new Nucleus(options).start());
  }

  /** Not connected yet. */
  client({ SVCUID, AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT: path } = this.nucleus.env()): Client {
    const client = createClient({
      // Its kind of socket; the rest would come from this process's environment.
      ...createDefaultClientConfig(),
      hostName: path!,
      connectTransform: ({ message }) => {
        message.payload = JSON.stringify({ authToken: SVCUID });
        return Promise.resolve(message);
      },
    });
    this.#clients.push(client);
    return client;
  }

  async connect(): Promise<Client> {
    const client = this.client();
    await client.connect();
    return client;
  }

  async end(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.close();
    await this.nucleus.stop();
  }
}
