import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Edge } from '../../src/component';
import { courierIotPolicy } from '../local-cloud/seed-iot-policies';
import { ConnectProxy, type ConnectProxyOptions } from '../support/connect-proxy';
import { Courier } from '../support/courier';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const portOf = (endpoint: string): number => Number(endpoint.split(':').at(-1));

describe('through a proxy', () => {
  let courier: Courier;
  let proxy: ConnectProxy;
  let environment: Partial<Edge>;

  const begin = async (options: ConnectProxyOptions = {}, settings: object = {}): Promise<void> => {
    proxy = await ConnectProxy.start(options);
    environment = {};
    courier = await Courier.create({
      edge: environment,
      config: { proxy: { url: proxy.url, ...settings }, upload: { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB } },
    });
    const { cloud } = courier;
    await cloud.createThing(Courier.thing, { certificatePolicy: courierIotPolicy(cloud) });
    courier.sections.mqtt = { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile };
  };
  const ports = () => ({
    s3: courier.cloud.s3Port,
    credentials: courier.cloud.credentialsPort,
    mqtt: portOf(courier.cloud.mqttEndpoint),
  });
  const tunnels = () =>
    Object.fromEntries(Object.entries(ports()).map(([name, port]) => [name, proxy.tunnelsTo(port) > 0]));

  afterEach(async () => {
    await courier.end();
    await proxy.stop();
  });

  it('S3, the credentials endpoint and MQTT are reached, by its user and password, which nobody sees', async () => {
    await begin({ userInfo: 'device:s3cr3t-of-the-proxy' });
    const credentialsFile = join(courier.dir, 'proxy.secret');
    writeFileSync(credentialsFile, 'device:s3cr3t-of-the-proxy\n', { mode: 0o600 });
    courier.sections.proxy = { url: proxy.url, credentialsFile };
    courier.drop('small', 'x');
    courier.drop('big.bin', randomBytes(12 * MIB));
    await courier.start();
    await courier.delivered(2);
    await until('connected', () => courier.component.status().mqtt?.state === 'connected');
    expect(tunnels()).toEqual({ s3: true, credentials: true, mqtt: true });
    expect(JSON.stringify([courier.logs, courier.component.status()])).not.toContain('s3cr3t');
  });

  it('MQTT goes by port 443, and says by ALPN what it is', async () => {
    await begin();
    const { cloud } = courier;
    const narrow = await ConnectProxy.start({ ports: { 443: portOf(cloud.mqttEndpoint) } });
    courier.sections.mqtt = { endpoint: 'localhost:443', caFile: cloud.caFile };
    courier.sections.proxy = { url: narrow.url };
    courier.sections.outboxes = [{ path: courier.outbox }];
    await courier.start();
    await until('connected', () => courier.component.status().mqtt?.state === 'connected');
    expect(narrow.asked).toContain('localhost:443');
    expect(cloud.mqtt.protocols).toEqual(['x-amzn-mqtt-ca']);
    await courier.stop();
    await narrow.stop();
  });

  it('what is excepted goes without', async () => {
    await begin();
    const { s3, mqtt } = ports();
    courier.sections.proxy = { url: proxy.url, noProxy: [`localhost:${s3}`, `.localhost:${mqtt}`] };
    courier.drop('small', 'x');
    courier.drop('big.bin', randomBytes(12 * MIB));
    await courier.start();
    await courier.delivered(2);
    await until('connected', () => courier.component.status().mqtt?.state === 'connected');
    expect(tunnels()).toEqual({ s3: false, credentials: true, mqtt: false });
  });

  it('the environment names one, and the configuration goes before it', async () => {
    await begin();
    const other = await ConnectProxy.start({ status: 502 });
    courier.sections.proxy = {};
    courier.drop('a', 'x');
    Object.assign(environment, { proxy: { url: proxy.url, noProxy: [] } });
    await courier.start();
    await courier.delivered(1);
    expect(tunnels()).toMatchObject({ s3: true, credentials: true });
    await courier.stop();
    Object.assign(environment, { proxy: { url: other.url, noProxy: [] } });
    courier.sections.proxy = { url: proxy.url };
    courier.drop('b', 'x');
    await courier.start();
    await courier.delivered(2);
    expect(other.asked).toEqual([]);
    await other.stop();
  });

  it.each<[string, ConnectProxyOptions, RegExp]>([
    [
      'wants a password',
      { userInfo: 'a:b' },
      /wants to know who asks \(407\); name a file with user:password in proxy.credentialsFile/,
    ],
    ['does not permit it', { status: 403 }, /does not permit CONNECT localhost:\d+ \(403\); have it permitted there/],
    ['finds no way', { status: 502 }, /finds no way to localhost:\d+ \(502\); if it lasts, look into the proxy's log/],
  ])('one that %s is told, and files wait', async (_, options, reason) => {
    await begin(options);
    courier.drop('a', 'x');
    await courier.start();
    await courier.logged('link is down, waiting');
    expect(courier.component.status().link.reason).toMatch(reason);
    await until(
      'told of MQTT too',
      () => reason.test(courier.component.status().mqtt?.reason ?? ''),
      () => courier.component.status().mqtt,
    );
    expect(courier.component.status().uploads).toMatchObject({ failed: 0, done: 0 });
  });

  it('one that is not there is told, and what comes up is used', async () => {
    await begin();
    await proxy.stop();
    courier.drop('a', 'x');
    await courier.start();
    await courier.logged('link is down, waiting');
    expect(courier.component.status().link.reason).toMatch(
      /the proxy 127.0.0.1:\d+ cannot be reached \(ECONNREFUSED\); check proxy.url/,
    );
  });
});
