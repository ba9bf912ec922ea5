import { writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import type { LocalCloud } from '../local-cloud/local-cloud';
import { seedBIotPolicy } from '../local-cloud/seed-iot-policies';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { CertificateAuthority } from '../support/certificates';
import { Courier } from '../support/courier';
import { cloudCredentials } from '../support/nucleus/cloud-credentials';
import { Nucleus } from '../support/nucleus/nucleus';
import type { NucleusKind } from '../support/nucleus/switches';
import { TokenSite } from '../support/token-site';
import { until } from '../support/until';

/** Every way in which credentials fail, provoked over the wire: what code, and what sentence a person reads in the status. */

/** What is not told by then never is: there are many to come. */
const WITHIN_MS = 45_000;
/** An answer that does not come is waited for so long. */
const upload = { stallSeconds: 1 };

type Class = readonly [name: string, code: string, sentence: RegExp];

let courier: Courier;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await courier.end();
  for (const clean of cleanups.splice(0)) await clean();
});

/** Drops a file and reads what the first source says. Files wait, whatever it is. */
async function expectFailure([, code, sentence]: Class): Promise<void> {
  courier.drop('a.txt', 'x');
  await courier.start();
  const source = () => courier.component.status().credentials.sources[0]!;
  const describe = () => ({ source: source(), logs: courier.logs.slice(-5) });
  await until(
    `${code} ${sentence}`,
    () => source().code === code && sentence.test(source().reason ?? ''),
    describe,
    WITHIN_MS,
  );
  // One sentence and the next step after it; a person reads the same where files wait.
  expect(source().reason).toMatch(/^[^;]+; .+[^.]$/s);
  await until(
    'files wait',
    () => {
      const { link, refusals } = courier.component.status();
      return sentence.test(link.reason ?? '') || refusals.some(({ message }) => sentence.test(message));
    },
    describe,
    WITHIN_MS,
  );
  const { uploads, refusals } = courier.component.status();
  expect(uploads).toMatchObject({ failed: 0, done: 0 });
  expect(courier.component.list(undefined).map(({ failures }) => failures)).toEqual([0]);
  expect(refusals.map(({ scope }) => scope)).toEqual(
    code === 'CREDENTIALS_REFUSED' ? ['credentials'] : code === 'CLOCK_WRONG' ? ['clock'] : [],
  );
}

const roleAlias = (over: object): void =>
  void Object.assign((courier.sections.credentials as { roleAlias: object }).roleAlias, over);
const thing = (over: object): void => void Object.assign(courier.sections.thing!, over);
const fault = (kind: 'internalError' | 'slowDown' | 'stall' | 'drop' | 'truncate'): void =>
  void courier.cloud.faults.add({ kind, operation: 'Credentials', count: Number.POSITIVE_INFINITY });
const keep = (name: string, text: string): string => {
  writeFileSync(join(courier.dir, name), text, { mode: 0o600 });
  return join(courier.dir, name);
};

/** Something else answers where the credentials endpoint should. */
async function standIn(
  {
    hosts = ['localhost'],
    notBefore,
    notAfter,
    ...tls
  }: { hosts?: string[]; notBefore?: Date; notAfter?: Date } & ServerOptions,
  body = '',
): Promise<void> {
  const authority = await CertificateAuthority.create('its own');
  const dates = { ...(notBefore && { notBefore }), ...(notAfter && { notAfter }) };
  const { certificatePem, privateKeyPem } = await authority.issue({ commonName: 'x', hosts, ...dates });
  const server: Server = createServer({ cert: certificatePem, key: privateKeyPem, ...tls }, (_, response) =>
    response.end(body),
  );
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as AddressInfo;
  roleAlias({ endpoint: `localhost:${port}`, caFile: keep('own.pem', authority.pem.certificatePem) });
}

const pairOf = async (cloud: LocalCloud, notAfter?: Date): Promise<object> => {
  const pair = await cloud.issueDeviceCertificate({ commonName: 'x', ...(notAfter && { notAfter }) });
  return {
    certificateFile: keep('other.pem', pair.certificatePem),
    privateKeyFile: keep('other.key', pair.privateKeyPem),
  };
};

describe('by the role alias', () => {
  const DAY_MS = 86_400_000;

  it.each<[...Class, provoke: (cloud: LocalCloud) => unknown]>([
    [
      'an alias nobody knows',
      'CREDENTIALS_REFUSED',
      /there is no role alias "nobody" .*; correct credentials.roleAlias.alias, or create it/,
      () => roleAlias({ alias: 'nobody' }),
    ],
    [
      'a certificate whose policy does not allow it',
      'CREDENTIALS_REFUSED',
      /refuses the certificate .*; check that it is active.* allows iot:AssumeRoleWithCertificate on the alias "courier"/,
      (cloud) => cloud.createThing(Courier.thing, { certificatePolicy: { Statement: [] } }),
    ],
    [
      'a revoked certificate',
      'CREDENTIALS_REFUSED',
      /refuses the certificate .*403 Certificate is invalid.*; check that it is active/,
      async (cloud) => cloud.revoke((await cloud.createThing(Courier.thing)).certificateId),
    ],
    [
      'a certificate that is not registered',
      'CREDENTIALS_REFUSED',
      /refuses the certificate .*other.pem .*; check that it is active/,
      async (cloud) => thing(await pairOf(cloud)),
    ],
    [
      'the certificate of another thing',
      'CREDENTIALS_REFUSED',
      /does not belong to the thing device01 .*; attach it: aws iot attach-thing-principal/,
      async () => thing({ name: 'device01' }),
    ],
    [
      'an expired certificate',
      'CREDENTIALS_REFUSED',
      /the device certificate .*other.pem expired on .*; put a new one in its place/,
      async (cloud) => thing(await pairOf(cloud, new Date(Date.now() - DAY_MS))),
    ],
    [
      'a key of another certificate',
      'CREDENTIALS_REFUSED',
      /the private key .*other.key does not belong to the certificate .*; copy the pair again/,
      async (cloud) =>
        thing({
          ...(await pairOf(cloud)),
          certificateFile: (courier.sections.thing as { certificateFile: string }).certificateFile,
        }),
    ],
    [
      'a role that is not there',
      'CREDENTIALS_REFUSED',
      /the role behind the alias "courier" cannot be assumed .*; check that it exists and lets credentials.iot.amazonaws.com assume it/,
      (cloud) => cloud.createRoleAlias('courier', { policy: seedEPolicy('b'), roleMissing: true }),
    ],
    [
      'a duration beyond what the role allows',
      'CREDENTIALS_REFUSED',
      /gives credentials for longer than its role allows .*; lower its credentialDurationSeconds/,
      (cloud) =>
        cloud.createRoleAlias('courier', {
          policy: seedEPolicy('b'),
          durationSeconds: 7_200,
          maxSessionSeconds: 3_600,
        }),
    ],
    [
      'an endpoint that fails',
      'CREDENTIALS_UNWELL',
      /cannot answer now .*500 Internal failure.*; it is asked again by itself/,
      () => fault('internalError'),
    ],
    [
      'an endpoint that is overrun',
      'CREDENTIALS_UNWELL',
      /cannot answer now .*429 Rate exceeded.*; it is asked again by itself/,
      () => fault('slowDown'),
    ],
    [
      'an endpoint that says nothing',
      'CREDENTIALS_UNWELL',
      /breaks off or says nothing \(ETIMEDOUT\); if it lasts, check what stands between/,
      () => fault('stall'),
    ],
    [
      'an endpoint that breaks off',
      'CREDENTIALS_UNWELL',
      /breaks off or says nothing \(ECONNRESET\); if it lasts/,
      () => fault('drop'),
    ],
    [
      'an endpoint that breaks off in its answer',
      'CREDENTIALS_UNWELL',
      /breaks off or says nothing \(\w+\); if it lasts/,
      () => fault('truncate'),
    ],
    [
      'an endpoint that is not there',
      'CREDENTIALS_UNREACHABLE',
      /no way to the credentials endpoint localhost:9 \(ECONNREFUSED\); if it lasts, check the network/,
      () => roleAlias({ endpoint: 'localhost:9' }),
    ],
    [
      'an endpoint with a name nobody knows',
      'CREDENTIALS_UNREACHABLE',
      /no way to the credentials endpoint nowhere.invalid \((ENOTFOUND|EAI_AGAIN)\); if it lasts, check the network, its DNS/,
      () => roleAlias({ endpoint: 'nowhere.invalid' }),
    ],
    [
      'an endpoint of another CA',
      'CREDENTIALS_REFUSED',
      /does not prove who it is by the CA certificates Node.js brings along .*; check .* or set credentials.roleAlias.caFile/,
      () => roleAlias({ caFile: undefined }),
    ],
    [
      'an endpoint with a certificate for another host',
      'CREDENTIALS_REFUSED',
      /does not prove who it is .*\(ERR_TLS_CERT_ALTNAME_INVALID\); check credentials.roleAlias.endpoint/,
      () => standIn({ hosts: ['elsewhere.example'] }),
    ],
    [
      'an endpoint whose certificate is not valid yet',
      'CLOCK_WRONG',
      /by this device's clock \(20.*Z\) the certificate of localhost:\d+ is not valid \(CERT_NOT_YET_VALID\); set the clock/,
      () => standIn({ notBefore: new Date(Date.now() + DAY_MS) }),
    ],
    [
      'an endpoint without TLS 1.2',
      'CREDENTIALS_REFUSED',
      /speaks no TLS 1.2 or later \(\w+\); check credentials.roleAlias.endpoint/,
      () => standIn({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' }),
    ],
    [
      'something else in its place',
      'CREDENTIALS_REFUSED',
      /answered something other than credentials; check credentials.roleAlias.endpoint/,
      () => standIn({}, '<html>please log in</html>'),
    ],
  ])('%s', async (name, code, sentence, provoke) => {
    courier = await Courier.create({ config: { upload } });
    await provoke(courier.cloud);
    await expectFailure([name, code, sentence]);
  });

  it('a clock that was never set: the time comes with the answer, and files go', async () => {
    const backMs = Date.now();
    courier = await Courier.create({ edge: { clock: { ...systemClock, nowMs: () => Date.now() - backMs } } });
    await courier.start();
    courier.drop('a', 'hello');
    await courier.delivered(1);
    expect(courier.component.status().clockOffsetSeconds).toBeGreaterThan(1_700_000_000);
  });
});

describe('by the token exchange', () => {
  let nucleus: Nucleus;

  const begin = async (kind: NucleusKind, alias: string): Promise<void> => {
    const tokenExchange = { uri: '', authorization: '' };
    courier = await Courier.create({ config: { credentials: { source: 'token-exchange' } }, edge: { tokenExchange } });
    const { cloud } = courier;
    const askCloud = cloudCredentials({
      endpoint: cloud.credentialsEndpoint,
      alias,
      caFile: cloud.caFile,
      thing: await cloud.createThing(Courier.thing),
    });
    nucleus = await new Nucleus({ kind, askCloud }).start();
    cleanups.push(() => nucleus.stop());
    const { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri, AWS_CONTAINER_AUTHORIZATION_TOKEN: authorization } = nucleus.env();
    Object.assign(tokenExchange, { uri, authorization });
  };

  it.each<[...Class, kind: NucleusKind, provoke: () => unknown, alias: string]>([
    [
      'classic: what the cloud refuses it',
      'CREDENTIALS_REFUSED',
      /the cloud refuses the nucleus credentials \(status 404: Role alias does not exist\), which the nucleus repeats for up to five minutes; check that the token exchange role exists/,
      'classic',
      () => undefined,
      'nobody',
    ],
    [
      'classic: that the cloud is unwell',
      'CREDENTIALS_UNWELL',
      /the nucleus has no credentials now \(status 500\), and says so for a minute .*; if it lasts, look into the nucleus's log/,
      'classic',
      () => fault('internalError'),
      'courier',
    ],
    [
      'classic: that it has no link',
      'CREDENTIALS_UNWELL',
      /the nucleus has no credentials now \(status 500\)/,
      'classic',
      () => courier.cloud.goOffline(),
      'courier',
    ],
    [
      'classic: a process that it does not know',
      'CREDENTIALS_REFUSED',
      /does not know this process \(status 403\); restart the component/,
      'classic',
      () => nucleus.ipc.restartDaemon(),
      'courier',
    ],
    [
      'lite: a process that it does not know',
      'CREDENTIALS_REFUSED',
      /does not know this process \(status 404\); restart the component/,
      'lite',
      () => nucleus.ipc.restartDaemon(),
      'courier',
    ],
    [
      'lite: whatever else, without a word',
      'CREDENTIALS_UNWELL',
      /the nucleus has no credentials now, and does not say why; if it lasts, check the link/,
      'lite',
      () => undefined,
      'nobody',
    ],
    [
      'none that runs',
      'CREDENTIALS_UNREACHABLE',
      /no answer from the nucleus's token exchange \(ECONNREFUSED\); check that aws.greengrass.TokenExchangeService runs/,
      'lite',
      () => nucleus.tokenExchange.stop(),
      'courier',
    ],
  ])('%s', async (name, code, sentence, kind, provoke, alias) => {
    await begin(kind, alias);
    await provoke();
    await expectFailure([name, code, sentence]);
  });

  it('the same again that S3 takes for expired', async () => {
    await begin('classic', 'courier');
    courier.cloud.faults.add({ kind: 'error', operation: 'PutObject', code: 'ExpiredToken' });
    await expectFailure([
      '',
      'CREDENTIALS_UNWELL',
      /S3 takes the credentials for expired, and their source hands out the same again; check this device's clock/,
    ]);
    expect(courier.cloud.counters.PutObject).toBe(1);
    nucleus.tokenExchange.forget(); // as it does five minutes before their end
    await courier.delivered(1);
  });
});

describe('by message', () => {
  let site: TokenSite;

  it.each<[...Class, provoke: () => unknown]>([
    [
      'nobody who answers',
      'CREDENTIALS_UNWELL',
      /no token on device00\/token\/res within 1 s of the request on device00\/token\/req; check that a topic rule takes it/,
      () => {
        site.vendor.isMute = true;
      },
    ],
    [
      'a request that is not permitted',
      'CREDENTIALS_REFUSED',
      /hangs up when device00\/token\/req is published to; allow iot:Publish on arn:/,
      async () => {
        const { Statement, ...rest } = seedBIotPolicy(courier.cloud, Courier.thing);
        const kept = [Statement].flat().filter(({ Action }) => Action !== 'iot:Publish');
        await courier.cloud.createThing(Courier.thing, { certificatePolicy: { ...rest, Statement: kept } });
      },
    ],
    [
      'an answer that is not permitted',
      'CREDENTIALS_REFUSED',
      /hangs up when device00\/token\/res is subscribed to; allow iot:Subscribe on arn:/,
      async () => {
        const { Statement, ...rest } = seedBIotPolicy(courier.cloud, Courier.thing);
        const kept = [Statement].flat().filter(({ Action }) => Action !== 'iot:Subscribe');
        await courier.cloud.createThing(Courier.thing, { certificatePolicy: { ...rest, Statement: kept } });
      },
    ],
    [
      'a function that may not assume the role',
      'CREDENTIALS_REFUSED',
      /whoever answers on device00\/token\/res refuses a token: the role cannot be assumed: AccessDenied; look into the log of its function/,
      () => courier.cloud.forbidTokens(),
    ],
    [
      'an answer that is no token',
      'CREDENTIALS_REFUSED',
      /what came from device00\/token\/res is no token \(without a usable SecretAccessKey, SessionToken\); correct what sends it/,
      () => answer({ AccessKeyId: 'ASIA0123456789ABCDEF' }),
    ],
    [
      'an answer that is no JSON',
      'CREDENTIALS_REFUSED',
      /is no token \(no JSON\); correct what sends it/,
      () => answer('<html>'),
    ],
    [
      'a token that has ended',
      'CREDENTIALS_UNWELL',
      /the token from device00\/token\/res ended on 2026-01-01T00:00:00Z, before it came; check what writes it/,
      async () => {
        const token = await site.issue();
        answer({ ...token, Expiration: '2026-01-01T00:00:00Z' });
        courier.cloud.faults.add({ kind: 'error', operation: 'PutObject', code: 'ExpiredToken' }); // whose Date tells the time
        await courier.cloud.mqtt.publish('device00/token/res', token);
      },
    ],
    [
      'no connection',
      'CREDENTIALS_UNREACHABLE',
      /no token can be asked for: not connected to localhost:\d+; if it lasts, see what courier status says of mqtt/,
      () => {
        courier.cloud.mqtt.faults.refuses = true;
      },
    ],
  ])('%s', async (name, code, sentence, provoke) => {
    site = await TokenSite.create({ config: { upload }, edge: { dice: () => 0 } });
    ({ courier } = site);
    await provoke();
    await expectFailure([name, code, sentence]);
  });

  /** What comes instead of the function's answer. */
  function answer(body: object | string): void {
    site.vendor.isMute = true;
    courier.cloud.mqtt.listeners.push((topic) => {
      if (topic === 'device00/token/req') void courier.cloud.mqtt.publish('device00/token/res', body);
    });
  }

  it('a shadow without a token', async () => {
    site = await TokenSite.create({
      mqttToken: { shadow: 'classic' },
      iotPolicy: () => ({ Statement: [{ Effect: 'Allow', Action: 'iot:*', Resource: '*' }] }),
      edge: { dice: () => 0 },
    });
    ({ courier } = site);
    await courier.cloud.shadows.update('device00', { colour: 'blue' }, async () => undefined);
    await expectFailure([
      '',
      'CREDENTIALS_REFUSED',
      /what came from the shadow is no token \(without a token\); correct what sends it/,
    ]);
  });
});
