import { writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import type { MqttBus } from '../../src/aws/mqtt/mqtt-bus';
import { type Clock, systemClock } from '../../src/clock';
import type { Log } from '../../src/log';
import type { LocalCloud, LocalThing } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import { courierIotPolicy } from '../local-cloud/seed-iot-policies';
import { CertificateAuthority, certificateIdOf, createLooseKeyPem } from '../support/certificates';
import { MqttSite } from '../support/mqtt-site';
import { silentLog } from '../support/silent-log';
import { SkippingClock } from '../support/skipping-clock';
import { until } from '../support/until';

const DAY_MS = 86_400_000;
let site: MqttSite;
let cloud: LocalCloud;

beforeEach(async () => {
  site = await MqttSite.start();
  cloud = site.cloud;
});
afterEach(() => site.stop());

const pump = (policy: PolicyDocument = courierIotPolicy(cloud)): Promise<LocalThing> =>
  site.createThing('pump', policy);
const bytes = (text: string): Buffer => Buffer.from(text);
const outcomeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
  );
const untilReason = (bus: MqttBus, reason: RegExp): Promise<void> =>
  until(
    `reason ${reason}`,
    () => reason.test(bus.status.reason ?? ''),
    () => bus.status,
  );
/** As those who publish and subscribe do. */
async function tryOn(call: () => Promise<unknown>): Promise<string> {
  let outcome = '';
  await until('an outcome that stays', async () => {
    outcome = await outcomeOf(call());
    return !outcome.startsWith('BUS_UNAVAILABLE');
  });
  return outcome;
}

function linesOf(): { lines: string[]; log: Log } {
  const lines: string[] = [];
  const note = (level: string) => (fields: object, message: string) =>
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  return { lines, log: { ...silentLog, info: note('info'), warn: note('warn'), error: note('error') } };
}

// First: attempts that the CRT cannot be talked out of go on for up to 30 s behind the other tests.
describe('says why there is no connection, and what to do', () => {
  it('an unknown CA', async () => {
    const other = await CertificateAuthority.create('other');
    const caFile = join(site.fixture.dir, 'other.pem');
    writeFileSync(caFile, other.pem.certificatePem);
    const clock = new SkippingClock();
    const bus = site.bus(await pump(), { caFile, clock });
    await until('TLS begun', () => cloud.mqtt.connections > 0);
    clock.skip(15_000); // the CRT itself says it after 17 s
    await untilReason(bus, /does not prove who it is by .*other.pem \(\w+\); check mqtt.endpoint, or set mqtt.caFile/);
    expect(bus.status.state).toBe('connecting');
  });

  it.each([
    [
      'for another host',
      ['elsewhere.example'],
      undefined,
      /localhost:\d+ proves to be another host .* check mqtt.endpoint/,
    ],
    [
      'that is over',
      ['localhost'],
      new Date(Date.now() - 1000),
      /by this device's clock .* is not valid .* set the clock/,
    ],
  ])('a server with a certificate %s', async (_, hosts, notAfter, reason) => {
    const authority = await CertificateAuthority.create('its own');
    const caFile = join(site.fixture.dir, 'own.pem');
    writeFileSync(caFile, authority.pem.certificatePem);
    const pair = await authority.issue({ commonName: 'x', hosts, ...(notAfter === undefined ? {} : { notAfter }) });
    const server = createTlsServer({ cert: pair.certificatePem, key: pair.privateKeyPem });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as { port: number };
      await untilReason(site.bus(await pump(), { port, caFile }), reason);
    } finally {
      server.close();
    }
  });

  it('a name that nobody knows', async () => {
    const bus = site.bus(await pump(), { host: 'nowhere.invalid' });
    await untilReason(bus, /nowhere.invalid:\d+ cannot be reached \(\w+\); if it lasts, check mqtt.endpoint/);
  });

  it.each(['INACTIVE', 'REVOKED'] as const)('a certificate that is %s', async (status) => {
    const thing = await pump();
    cloud.setCertificateStatus(thing.certificateId, status);
    const bus = site.bus(thing);
    await untilReason(bus, /refuses the device certificate .* check that it is registered and active/);
    expect(bus.status.state).toBe('connecting');
  });

  it('an expired certificate', async () => {
    const pair = await cloud.issueDeviceCertificate({ commonName: 'old', notAfter: new Date(Date.now() - 1000) });
    const [certificateFile, privateKeyFile] = ['old.pem', 'old.key'].map((name) => join(site.fixture.dir, name));
    writeFileSync(certificateFile!, pair.certificatePem);
    writeFileSync(privateKeyFile!, pair.privateKeyPem, { mode: 0o600 });
    cloud.registerCertificate(certificateIdOf(pair.certificatePem));
    const files = { certificateFile: certificateFile!, privateKeyFile: privateKeyFile! };
    const knowing = site.bus(await pump(), { ...files, knownNowMs: Date.now });
    await untilReason(knowing, /the device certificate .*old.pem expired on .*; put a new one in its place/);
    const guessing = site.bus(await pump(), files);
    await untilReason(
      guessing,
      /old.pem expired on .*, and this device's clock says .*; set the clock, or if it is right/,
    );
  });

  it('a key that does not belong to the certificate', async () => {
    const privateKeyFile = join(site.fixture.dir, 'loose.key');
    writeFileSync(privateKeyFile, await createLooseKeyPem(), { mode: 0o600 });
    const bus = site.bus(await pump(), { privateKeyFile });
    await untilReason(bus, /loose.key does not belong to the certificate .*; copy the pair again/);
  });

  describe('a peer that says nothing', () => {
    let mute: Server;
    let port: number;
    beforeEach(async () => {
      mute = createServer(() => undefined);
      await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
      port = (mute.address() as { port: number }).port;
    });
    afterEach(() => mute.close());

    it('in TLS', async () => {
      const clock = new SkippingClock();
      const sockets: Socket[] = [];
      mute.on('connection', (socket) => sockets.push(socket));
      const bus = site.bus(await pump(), { port, clock });
      await until('the attempt', () => sockets.length > 0);
      clock.skip(15_000);
      await until('the second, to find out why', () => sockets.length > 1);
      clock.skip(10_000);
      await untilReason(bus, /cannot be reached \(ETIMEDOUT\)/);
      for (const socket of sockets) socket.destroy();
    });
  });
});

describe('messages', () => {
  it('go both ways, and only to those who subscribed', async () => {
    const bus = await site.connectedBus(await pump());
    const heard: string[] = [];
    const other: string[] = [];
    await bus.subscribe('courier/pump/inbox/+', (topic, payload) => heard.push(`${topic} ${payload}`));
    const subscription = await bus.subscribe('courier/pump/other', (_, payload) => other.push(`${payload}`));
    await cloud.mqtt.publish('courier/pump/inbox/pull', 'a');
    await cloud.mqtt.publish('courier/pump/other', 'b');
    await until('both', () => heard.length + other.length === 2);
    expect([heard, other]).toEqual([['courier/pump/inbox/pull a'], ['b']]);
    await subscription.close();
    await cloud.mqtt.publish('courier/pump/other', 'c');
    await bus.publish('courier/pump/inbox/done', bytes('d'));
    await until('the last', () => heard.length === 2);
    expect(other).toEqual(['b']);
    expect(cloud.mqtt.publishedTo('courier/pump/inbox/done')).toMatchObject([{ clientId: 'pump' }]);
  });

  it('that were published while the device was away are there as soon as somebody subscribes', async () => {
    const thing = await pump();
    const before = await site.connectedBus(thing);
    await before.subscribe('courier/pump/inbox/pull', () => undefined);
    await before.stop();
    await cloud.mqtt.publish('courier/pump/inbox/pull', 'kept');
    const bus = await site.connectedBus(thing);
    await bus.publish('courier/pump/here', bytes('the message has come, and nobody has asked for it'));
    const heard: string[] = [];
    await bus.subscribe('courier/pump/inbox/pull', (_, payload) => heard.push(`${payload}`));
    expect(heard).toEqual(['kept']);
  });

  it('are refused at once while there is no connection', async () => {
    cloud.mqtt.faults.stallsConnect = true;
    const bus = site.bus(await pump());
    expect(await outcomeOf(bus.publish('courier/pump/a', bytes('x')))).toMatch(/^BUS_UNAVAILABLE: not connected/);
  });
});

describe('the connection', () => {
  it('comes back after the cloud was away, and tells it each time', async () => {
    const bus = await site.connectedBus(await pump());
    let connections = 0;
    bus.onConnected(() => connections++);
    await cloud.goOffline();
    await untilReason(bus, /cannot be reached \(ECONNREFUSED\)/);
    await cloud.goOnline();
    await until('connected again', () => bus.status.state === 'connected');
    expect(connections).toBe(2);
    expect(await outcomeOf(bus.publish('courier/pump/a', bytes('x')))).toBe('ok');
  });

  it('is made at once when somebody else has found the cloud back', async () => {
    // Nobody wakes from a pause by the clock.
    const sleep = (_: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    await cloud.goOffline();
    const bus = site.bus(await pump(), { clock: { ...systemClock, sleep } });
    await untilReason(bus, /./);
    await cloud.goOnline();
    bus.wake();
    await until('connected', () => bus.status.state === 'connected');
  });

  it('that is lost ends what was under way', async () => {
    const bus = await site.connectedBus(await pump());
    cloud.mqtt.faults.isMute = true;
    const outcome = outcomeOf(bus.publish('courier/pump/a', bytes('x')));
    await until('it is under way', () => cloud.mqtt.unanswered === 1);
    cloud.mqtt.dropAll();
    expect(await outcome).toMatch(/^BUS_UNAVAILABLE: AWS_IO_SOCKET_CLOSED/);
  });

  it('to a peer that no longer answers is given up', async () => {
    const clock = new SkippingClock();
    const bus = await site.connectedBus(await pump(), { clock });
    cloud.mqtt.faults.isMute = true;
    for (const what of [/no answer from the broker within 30 s/, /no answer/]) {
      const outcome = outcomeOf(bus.publish('courier/pump/a', bytes('x')));
      await new Promise(setImmediate);
      clock.skip(30_000);
      expect(await outcome).toMatch(what);
    }
    cloud.mqtt.faults.isMute = false;
    await until('another one', () => cloud.mqtt.connects === 2 && bus.status.state === 'connected');
    expect(bus.status.problems).toEqual([]);
  });

  it('ends at once when we stop, also in the middle of connecting', async () => {
    cloud.mqtt.faults.stallsConnect = true;
    const bus = site.bus(await pump());
    await until('connecting', () => cloud.mqtt.sockets > 0);
    const sinceMs = performance.now();
    await bus.stop();
    expect(performance.now() - sinceMs).toBeLessThan(3_000);
  });
});

describe('a topic that the policy does not allow', () => {
  it('is told after two hang-ups, with action and ARN; the others go on, after short pauses', async () => {
    const pauses: number[] = [];
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => {
        pauses.push(ms);
        return systemClock.sleep(ms, signal);
      },
    };
    const bus = await site.connectedBus(await pump(), { clock });
    expect(await tryOn(() => bus.publish('courier/other/a', bytes('x')))).toMatch(
      /^MESSAGE_DENIED: localhost:\d+ hangs up when courier\/other\/a is published to; allow iot:Publish on arn:aws:iot:<region>:<account>:topic\/courier\/other\/a in/,
    );
    expect(await tryOn(() => bus.subscribe('courier/other/b', () => undefined))).toMatch(
      /^MESSAGE_DENIED: .* allow iot:Subscribe on .*topicfilter\/courier\/other\/b and iot:Receive on .*topic\/courier\/other\/b in/,
    );
    expect(cloud.mqtt.denials).toHaveLength(4);
    expect(await tryOn(() => bus.publish('courier/pump/a', bytes('x')))).toBe('ok');
    expect(await outcomeOf(bus.publish('courier/other/a', bytes('x')))).toMatch(/^MESSAGE_DENIED/);
    expect(cloud.mqtt.denials).toHaveLength(4);
    expect(pauses.filter((ms) => ms === 1_000)).toHaveLength(4);
    expect(bus.status).toMatchObject({ state: 'connected', problems: [expect.any(String), expect.any(String)] });
  });

  it('is tried again a day later', async () => {
    const clock = new SkippingClock();
    const thing = await pump();
    const bus = await site.connectedBus(thing, { clock });
    expect(await tryOn(() => bus.publish('elsewhere', bytes('x')))).toMatch(/^MESSAGE_DENIED/);
    cloud.registerCertificate(thing.certificateId, {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'iot:*', Resource: '*' }],
    });
    clock.skip(DAY_MS);
    expect(await tryOn(() => bus.publish('elsewhere', bytes('x')))).toBe('ok');
    expect(bus.status.problems).toEqual([]);
  });
});

describe('a policy without iot:Connect', () => {
  it('turns MQTT off for a day, and is told once', async () => {
    const clock = new SkippingClock();
    const { lines, log } = linesOf();
    const thing = await pump({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'iot:AssumeRoleWithCertificate', Resource: '*' }],
    });
    const bus = site.bus(thing, { clock, log });
    await until(
      'off',
      () => bus.status.state === 'off',
      () => bus.status,
    );
    expect(bus.status.reason).toMatch(
      /hangs up on the client id pump; allow iot:Connect on arn:aws:iot:<region>:<account>:client\/pump in/,
    );
    expect(cloud.mqtt.denials).toHaveLength(2);
    expect(lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
    cloud.registerCertificate(thing.certificateId, courierIotPolicy(cloud));
    clock.skip(DAY_MS);
    await until(
      'connected',
      () => bus.status.state === 'connected',
      () => bus.status,
    );
  });
});

describe('a CONNECT', () => {
  it('that is answered by a refusal is tried on', async () => {
    cloud.mqtt.faults.rejectsConnect = true;
    const bus = site.bus(await pump());
    await untilReason(bus, /does not take the connection \(AWS_ERROR_MQTT_PROTOCOL_ERROR\); .* the client id pump in/);
    expect(bus.status.state).toBe('connecting');
  });

  it('that is not answered is, too', async () => {
    cloud.mqtt.faults.stallsConnect = true;
    const clock = new SkippingClock();
    const bus = site.bus(await pump(), { clock });
    await until('CONNECT', () => cloud.mqtt.sockets > 0);
    clock.skip(15_000);
    await untilReason(bus, /takes the device certificate, and does not take the connection \(NO_ANSWER\)/);
    expect(bus.status.state).toBe('connecting');
  });
});

describe('another client with our id', () => {
  it('that fights back makes us give way for an hour, and say so', async () => {
    const clock = new SkippingClock();
    const thing = await pump();
    const bus = await site.connectedBus(thing, { clock });
    await site.connect(thing); // and the CRT connects again and again by itself
    await until(
      'off',
      () => bus.status.state === 'off',
      () => bus.status,
    );
    expect(bus.status.reason).toMatch(
      /another client uses the id pump .* give one of them another id \(mqtt.clientId\)/,
    );
    expect(bus.status.problems).toEqual([]);
    // Our own hanging up is heard a moment later.
    await until(
      'the other one alone',
      () => cloud.mqtt.clientIds.join() === 'pump',
      () => cloud.mqtt.clientIds,
    );
    clock.skip(3_600_000);
    await until('tried again', () => bus.status.state === 'connected');
  });
});
