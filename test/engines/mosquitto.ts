import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '../support/certificates';
import { Daemon } from './daemon';
import { findProgram } from './find-program';
import { findFreePorts } from './free-ports';

const READY_MS = 30_000;

/** Debian puts it where only root's shell looks. */
const program = findProgram('mosquitto') ?? ['/usr/sbin/mosquitto'].find(existsSync);

export interface MosquittoDevice {
  readonly name: string;
  readonly certificateFile: string;
  readonly privateKeyFile: string;
}

export interface MosquittoOptions {
  /** Beside its own authority, whose clients it lets in. */
  readonly clientCaFile?: string;
  /** Of the devices, as acl_file has it; the operator may everything. */
  readonly acl?: string;
}

/** Mosquitto 2 with mutual TLS: the name in the certificate is the user, who has `courier/<name>/#` to himself. */
export class Mosquitto {
  private constructor(
    private readonly dir: string,
    private readonly authority: CertificateAuthority,
    private daemon: Daemon,
    readonly port: number,
  ) {}

  static findMissing(): string | undefined {
    return program === undefined ? 'mosquitto is not installed' : undefined;
  }

  static async start({
    clientCaFile,
    acl = 'pattern readwrite courier/%u/#',
  }: MosquittoOptions = {}): Promise<Mosquitto> {
    const dir = mkdtempSync(join(tmpdir(), 'mosquitto-'));
    const authority = await CertificateAuthority.create('mosquitto of one test run');
    const server = await authority.issue({ commonName: 'localhost', hosts: ['localhost'] });
    const [port = 0] = await findFreePorts(1);
    const write = (name: string, text: string): string => {
      writeFileSync(join(dir, name), text, { mode: 0o600 });
      return join(dir, name);
    };
    const config = [
      `listener ${port} 127.0.0.1`,
      `cafile ${write('clients.pem', `${authority.pem.certificatePem}\n${clientCaFile === undefined ? '' : readFileSync(clientCaFile, 'utf8')}`)}`,
      `certfile ${write('server.pem', server.certificatePem)}`,
      `keyfile ${write('server.key', server.privateKeyPem)}`,
      'require_certificate true',
      'use_identity_as_username true',
      `acl_file ${write('acl', `${acl}\n\nuser operator\ntopic readwrite courier/#\n`)}`,
      'persistence false',
      ...(process.getuid?.() === 0 ? ['user root'] : []), // or it could not read its files
    ];
    write('ca.pem', authority.pem.certificatePem);
    write('mosquitto.conf', `${config.join('\n')}\n`);
    const mosquitto = new Mosquitto(dir, authority, Mosquitto.run(dir), port);
    await mosquitto.daemon.waitForPort(port, READY_MS);
    return mosquitto;
  }

  get caFile(): string {
    return join(this.dir, 'ca.pem');
  }

  async createDevice(name: string): Promise<MosquittoDevice> {
    const pair = await this.authority.issue({ commonName: name });
    const [certificateFile, privateKeyFile] = [join(this.dir, `${name}.pem`), join(this.dir, `${name}.key`)];
    writeFileSync(certificateFile, pair.certificatePem);
    writeFileSync(privateKeyFile, pair.privateKeyPem, { mode: 0o600 });
    return { name, certificateFile, privateKeyFile };
  }

  async restart(): Promise<void> {
    await this.daemon.stop();
    this.daemon = Mosquitto.run(this.dir);
    await this.daemon.waitForPort(this.port, READY_MS);
  }

  async stop(): Promise<void> {
    await this.daemon.stop();
    rmSync(this.dir, { recursive: true });
  }

  private static run(dir: string): Daemon {
    return new Daemon(program!, ['-c', join(dir, 'mosquitto.conf')], join(dir, 'mosquitto.log'));
  }
}
