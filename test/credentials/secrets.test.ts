import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { presentStatus } from '../../src/cli/status';
import { LocalCloud } from '../local-cloud/local-cloud';
import { courierIotPolicy, seedBIotPolicy } from '../local-cloud/seed-iot-policies';
import { ConnectProxy } from '../support/connect-proxy';
import { Device } from '../support/device';
import { cloudCredentials } from '../support/nucleus/cloud-credentials';
import { Nucleus } from '../support/nucleus/nucleus';
import { SOURCES } from './source-run';

const MIB = 1024 * 1024;
const ROOT = resolve(__dirname, '../..');
const PROXY_USER = 'device:pa55word-of-the-proxy';

function* filesBelow(folder: string): Generator<string> {
  for (const name of readdirSync(folder, { recursive: true }) as string[])
    if (statSync(join(folder, name)).isFile()) yield join(folder, name);
}

/** All that is secret while the device lives, as it goes over the wire or lies in its files. */
describe('no secret is anywhere it could be read', () => {
  let dir: string;
  let cloud: LocalCloud;
  let device: Device;
  let nucleus: Nucleus;
  let proxy: ConnectProxy;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'secrets-'));
  });
  afterEach(async () => {
    await device.kill();
    await nucleus.stop();
    await proxy.stop();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it.each(SOURCES)('with credentials by %s: log, status, database, work folder, bundle, core file', async (source) => {
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    proxy = await ConnectProxy.start({ userInfo: PROXY_USER });
    const credentialsFile = join(dir, 'proxy.secret');
    writeFileSync(credentialsFile, PROXY_USER, { mode: 0o600 });
    device = await Device.create({
      dir: join(dir, 'device'),
      cloud,
      tokenSeconds: 3,
      config: {
        credentials: { source },
        proxy: { url: proxy.url, credentialsFile },
        mqtt: { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile },
        upload: {
          singlePutMaxBytes: MIB,
          partSizeBytes: 5 * MIB,
          probeMaxSeconds: 1,
          retryMaxSeconds: 1,
          stallSeconds: 2,
        },
      },
    });
    const secrets = new Map<string, string>([['password of the proxy', PROXY_USER.split(':')[1]!]]);
    cloud.watchTokens(({ accessKeyId, secretAccessKey, sessionToken }) => {
      secrets.set(`access key ${secrets.size}`, accessKeyId);
      secrets.set(`secret key ${secrets.size}`, secretAccessKey);
      secrets.set(`session token ${secrets.size}`, sessionToken);
    });
    const policies = source === 'mqtt-token' ? seedBIotPolicy(cloud, device.thing) : courierIotPolicy(cloud);
    const thing = await cloud.createThing(device.thing, { certificatePolicy: policies });
    for (const line of readFileSync(thing.privateKeyFile, 'utf8').split('\n'))
      if (line.length > 40 && !line.startsWith('-')) secrets.set(`private key ${secrets.size}`, line);
    cloud.createTokenVendor(device.bucket, { durationSeconds: 3 });
    const { credentialsEndpoint: endpoint, caFile } = cloud;
    nucleus = await new Nucleus({
      kind: 'classic',
      askCloud: cloudCredentials({ endpoint, alias: 'courier', caFile, thing }),
    }).start();
    const { AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN } = nucleus.env();
    Object.assign(device.environment, { AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN });
    secrets.set('token of the nucleus', AWS_CONTAINER_AUTHORIZATION_TOKEN!);

    const cores = join(dir, 'cores');
    mkdirSync(cores);
    // With cores as large as they come, in a folder of their own.
    const under = ['sh', '-c', `cd ${cores} && ulimit -c unlimited; exec "$@"`, 'sh'];
    const start = (): void => void device.start(['--log-level', 'debug'], [], under);

    // Good days and bad ones: what fails is what is talked about.
    const drop = (name: string, bytes: number): void => writeFileSync(join(device.outbox, name), randomBytes(bytes));
    cloud.faults.add({ kind: 'error', operation: 'PutObject', code: 'InvalidAccessKeyId' });
    cloud.faults.add({ kind: 'error', operation: 'UploadPart', code: 'ExpiredToken' });
    cloud.faults.add({ kind: 'error', operation: 'PutObject', code: 'AccessDenied', key: /denied/ });
    for (const [name, bytes] of Object.entries({ a: 10, denied: 10, 'big.bin': 12 * MIB })) drop(name, bytes);
    start();
    await device.delivered(3);
    const documents = [JSON.stringify(await device.status()), presentStatus(await device.status())];
    cloud.expireTokens();
    drop('b', 10);
    await device.delivered(4);
    await device.kill(); // as it is, with all that it had in hand
    start();
    drop('c', 10);
    await device.delivered(5);
    documents.push(JSON.stringify(await device.status()), device.output);
    expect(readFileSync(`/proc/${device.pid}/coredump_filter`, 'utf8').trim()).toBe('00000000');
    process.kill(device.pid!, 'SIGABRT');
    await device.exited();

    expect(secrets.size).toBeGreaterThan(8);
    const found: string[] = [];
    const search = (where: string, text: string): void => {
      for (const [what, secret] of secrets) if (text.includes(secret)) found.push(`${what} in ${where}`);
    };
    for (const [at, document] of documents.entries())
      search(['status', 'status for people', 'status', 'log'][at]!, document);
    const searched = [device.dir, cores, join(ROOT, 'dist')].flatMap((folder) => [...filesBelow(folder)]);
    expect(searched.filter((file) => file.startsWith(device.stateDir)).length).toBeGreaterThan(0);
    for (const file of searched) search(file, readFileSync(file, 'latin1'));
    expect(found).toEqual([]);
    // The search would find them: in the device's own key file it does.
    search('key file', readFileSync(thing.privateKeyFile, 'latin1'));
    expect(found.length).toBeGreaterThan(0);
  });
});
