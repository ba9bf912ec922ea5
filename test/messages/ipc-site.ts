import { IpcCloudBus, IpcLocalBus } from '../../src/aws/greengrass/ipc-bus';
import { IpcConnection } from '../../src/aws/greengrass/ipc-connection';
import { systemClock } from '../../src/clock';
import { Nucleus, type NucleusOptions } from '../support/nucleus/nucleus';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

/** A nucleus, and our connection to it as the component has it. */
export class IpcSite {
  readonly local: IpcLocalBus;
  readonly cloud: IpcCloudBus;
  orphaned = 0;
  readonly connection: IpcConnection;

  private constructor(readonly nucleus: Nucleus) {
    const env = nucleus.env();
    this.connection = new IpcConnection({
      socketPath: env.AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT!,
      authToken: env.SVCUID!,
      clock: systemClock,
      dice: () => 0,
      log: silentLog,
      onOrphaned: () => {
        this.orphaned++;
      },
    });
    this.local = new IpcLocalBus(this.connection);
    this.cloud = new IpcCloudBus(this.connection);
  }

  static async start(options: NucleusOptions): Promise<IpcSite> {
    const site = new IpcSite(await new Nucleus(options).start());
    site.connection.start();
    await until('connected', () => site.connection.isConnected);
    return site;
  }

  async end(): Promise<void> {
    await this.connection.stop();
    await this.nucleus.stop();
  }
}
