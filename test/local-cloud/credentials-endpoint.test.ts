import { readFileSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { CertificateAuthority, certificateIdOf, createLooseKeyPem, type PemPair } from '../support/certificates';
import { CloudFixture, outcomeOf } from '../support/cloud-fixture';
import type { LocalThing } from './local-cloud';
import type { PolicyDocument } from './policy';
import { seedEPolicy } from './seed-policies';

let fixture: CloudFixture;
let thing: LocalThing;
let other: LocalThing;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  fixture.cloud.createRoleAlias('courier', { policy: seedEPolicy('depot') });
  thing = await fixture.cloud.createThing('thing', { thingType: 'pump' });
  other = await fixture.cloud.createThing('other');
});
afterAll(() => fixture.stop());
afterEach(() => fixture.cloud.faults.clear());

interface Asked {
  alias?: string;
  thingName?: string;
  pair?: PemPair;
  options?: RequestOptions;
}

interface Answer {
  status: number;
  errorType: string | undefined;
  document: {
    message?: string;
    credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken: string; expiration: string };
  };
}

function ask({ alias = 'courier', thingName, pair, options }: Asked): Promise<Answer> {
  const [host, port] = fixture.cloud.credentialsEndpoint.split(':');
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host,
        port,
        path: `/role-aliases/${alias}/credentials`,
        ca: readFileSync(fixture.cloud.caFile),
        ...(pair === undefined ? {} : { cert: pair.certificatePem, key: pair.privateKeyPem }),
        headers: thingName === undefined ? {} : { 'x-amzn-iot-thingname': thingName },
        agent: false,
        ...options,
      },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('error', reject);
        response.on('end', () => {
          const errorType = response.headers['x-amzn-errortype'];
          resolve({
            status: response.statusCode ?? 0,
            errorType: errorType?.toString(),
            document: JSON.parse(text) as Answer['document'],
          });
        });
      },
    );
    request.on('error', reject);
    request.end();
  });
}

function pairOf({ certificateFile, privateKeyFile }: LocalThing): PemPair {
  return { certificatePem: readFileSync(certificateFile, 'utf8'), privateKeyPem: readFileSync(privateKeyFile, 'utf8') };
}

function certificatePolicy(Resource: string): PolicyDocument {
  return { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'iot:AssumeRoleWithCertificate', Resource }] };
}

async function registered(options: { commonName: string; notAfter?: Date }): Promise<PemPair> {
  const pair = await fixture.cloud.issueDeviceCertificate(options);
  fixture.cloud.registerCertificate(certificateIdOf(pair.certificatePem));
  return pair;
}

const INVALID = '403 Certificate is invalid on this endpoint';
const aliasArn = (alias: string): string => `arn:aws:iot:eu-central-1:123456789012:rolealias/${alias}`;

test.each<[string, string, () => Asked | Promise<Asked>]>([
  ['with the thing named', '200', () => ({ pair: pairOf(thing), thingName: 'thing' })],
  ['without the header', '200', () => ({ pair: pairOf(thing) })],
  ["another thing's name", '403 Invalid thing name passed', () => ({ pair: pairOf(thing), thingName: 'other' })],
  ['name of nobody', '403 Invalid thing name passed', () => ({ pair: pairOf(thing), thingName: 'nobody' })],
  ['no certificate', INVALID, () => ({ thingName: 'thing' })],
  [
    'certificate of a foreign CA',
    INVALID,
    async () => ({ pair: await (await CertificateAuthority.create('Foreign')).issue({ commonName: 'thing' }) }),
  ],
  [
    'foreign, though registered',
    INVALID,
    async () => {
      const pair = await (await CertificateAuthority.create('Foreign')).issue({ commonName: 'thing' });
      fixture.cloud.registerCertificate(certificateIdOf(pair.certificatePem));
      return { pair };
    },
  ],
  [
    'not registered',
    INVALID,
    async () => ({ pair: await fixture.cloud.issueDeviceCertificate({ commonName: 'thing' }) }),
  ],
  ['registered without a thing', '200', async () => ({ pair: await registered({ commonName: 'x' }) })],
  [
    'expired',
    INVALID,
    async () => ({ pair: await registered({ commonName: 'x', notAfter: new Date(Date.now() - 1000) }) }),
  ],
  [
    'revoked',
    INVALID,
    async () => {
      const revoked = await fixture.cloud.createThing('revoked');
      fixture.cloud.revoke(revoked.certificateId);
      return { pair: pairOf(revoked) };
    },
  ],
  [
    'inactive',
    INVALID,
    async () => {
      const inactive = await fixture.cloud.createThing('inactive');
      fixture.cloud.setCertificateStatus(inactive.certificateId, 'INACTIVE');
      return { pair: pairOf(inactive) };
    },
  ],
  ['unknown alias', '404 Role alias does not exist', () => ({ pair: pairOf(thing), alias: 'nobody' })],
  [
    'certificate may not assume',
    '403 Access Denied',
    async () => ({
      pair: pairOf(await fixture.cloud.createThing('meek', { certificatePolicy: certificatePolicy(aliasArn('else')) })),
    }),
  ],
  [
    'certificate may assume this alias only',
    '200',
    async () => ({
      pair: pairOf(
        await fixture.cloud.createThing('bold', { certificatePolicy: certificatePolicy(aliasArn('courier')) }),
      ),
    }),
  ],
  [
    'connection variables do not exist here',
    '403 Access Denied',
    async () => ({
      pair: pairOf(
        await fixture.cloud.createThing('vain', {
          certificatePolicy: certificatePolicy(aliasArn(`\${iot:Connection.Thing.ThingName}`)),
        }),
      ),
    }),
  ],
  [
    'role missing',
    '400 Unable to assume the role, or the role to assume does not exist',
    () => {
      fixture.cloud.createRoleAlias('hollow', { policy: seedEPolicy('depot'), roleMissing: true });
      return { pair: pairOf(thing), alias: 'hollow' };
    },
  ],
  [
    'duration beyond the role',
    '400 The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role',
    () => {
      fixture.cloud.createRoleAlias('long', {
        policy: seedEPolicy('depot'),
        durationSeconds: 7200,
        maxSessionSeconds: 3600,
      });
      return { pair: pairOf(thing), alias: 'long' };
    },
  ],
  ['another path', '404 Not Found', () => ({ pair: pairOf(thing), alias: 'a/b' })],
])('%s → %s', async (_, expected, asked) => {
  const { status, document } = await ask(await asked());
  expect(`${status} ${document.message ?? ''}`.trim()).toBe(expected);
  expect(document.credentials === undefined).toBe(status !== 200);
});

test.each<[string, RequestOptions]>([
  ['without SNI', { host: '127.0.0.1' }],
  ['with the SNI of another endpoint', { servername: 'elsewhere.example', checkServerIdentity: () => undefined }],
])('%s the connection is closed', async (_, options) => {
  await expect(ask({ pair: pairOf(thing), options })).rejects.toThrow(/hang up|ECONNRESET/);
});

test('a key that does not fit its certificate is refused by TLS itself', async () => {
  const privateKeyPem = await createLooseKeyPem();
  expect(() => ask({ pair: { ...pairOf(thing), privateKeyPem } })).rejects.toThrow(/key values mismatch/);
});

test('the credentials are those of the thing, and without its name of nobody', async () => {
  const { document } = await ask({ pair: pairOf(thing), thingName: 'thing' });
  const credentials = document.credentials!;
  expect(credentials.sessionToken.length).toBe(1100);
  expect(credentials.expiration).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const s3 = fixture.s3(credentials);
  const put = (client: typeof s3, Key: string) =>
    outcomeOf(client.send(new PutObjectCommand({ Bucket: 'depot', Key, Body: 'x' })));
  expect(await put(s3, 'thing/test.txt')).toBe('ok');
  expect(await put(s3, 'other/test.txt')).toBe('403 AccessDenied');
  expect(await outcomeOf(s3.send(new ListObjectsV2Command({ Bucket: 'depot', Prefix: 'thing/' })))).toBe('ok');
  const nameless = await ask({ pair: pairOf(other) });
  expect(await put(fixture.s3(nameless.document.credentials!), 'other/test.txt')).toBe('403 AccessDenied');
});

test('type and certificate are variables too', async () => {
  const resources = ['ThingTypeName', 'AwsCertificateId'].map(
    (name) => `arn:aws:s3:::depot/\${credentials-iot:${name}}/*`,
  );
  fixture.cloud.createRoleAlias('typed', {
    policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: resources }] },
  });
  const { document } = await ask({ pair: pairOf(thing), thingName: 'thing', alias: 'typed' });
  const s3 = fixture.s3(document.credentials!);
  const put = (Key: string) => outcomeOf(s3.send(new PutObjectCommand({ Bucket: 'depot', Key, Body: 'x' })));
  expect([await put('pump/x'), await put(`${thing.certificateId}/x`), await put('thing/x')]).toEqual([
    'ok',
    'ok',
    '403 AccessDenied',
  ]);
});

test('they last as long as the alias says, by the clock of the cloud', async () => {
  fixture.cloud.createRoleAlias('short', { policy: seedEPolicy('depot'), durationSeconds: 1 });
  const { document } = await ask({ pair: pairOf(thing), thingName: 'thing', alias: 'short' });
  const s3 = fixture.s3(document.credentials!);
  const put = () => outcomeOf(s3.send(new PutObjectCommand({ Bucket: 'depot', Key: 'thing/x', Body: 'x' })));
  expect(await put()).toBe('ok');
  fixture.cloud.clockOffsetMs = 2000;
  try {
    expect(await put()).toBe('400 ExpiredToken');
  } finally {
    fixture.cloud.clockOffsetMs = 0;
  }
});

test("a role's policy counts as it is now, not as it was when the token was issued", async () => {
  fixture.cloud.createRoleAlias('changing', { policy: seedEPolicy('elsewhere') });
  const { document } = await ask({ pair: pairOf(thing), thingName: 'thing', alias: 'changing' });
  const s3 = fixture.s3(document.credentials!);
  const put = () => outcomeOf(s3.send(new PutObjectCommand({ Bucket: 'depot', Key: 'thing/x', Body: 'x' })));
  expect(await put()).toBe('403 AccessDenied');
  fixture.cloud.createRoleAlias('changing', { policy: seedEPolicy('depot') });
  expect(await put()).toBe('ok');
});

test('faults', async () => {
  const asked: Asked = { pair: pairOf(thing), thingName: 'thing' };
  const { faults } = fixture.cloud;
  faults.add({ kind: 'drop', operation: 'Credentials' });
  await expect(ask(asked)).rejects.toThrow(/hang up|ECONNRESET/);
  faults.add({ kind: 'dropAfter', operation: 'Credentials' });
  await expect(ask(asked)).rejects.toThrow(/hang up|ECONNRESET/);
  faults.add({ kind: 'truncate', operation: 'Credentials' });
  await expect(ask(asked)).rejects.toThrow(/aborted/);
  faults.add({ kind: 'slowDown', operation: 'Credentials' });
  expect((await ask(asked)).errorType).toBe('ThrottlingException');
  faults.add({ kind: 'internalError', operation: 'Credentials' });
  expect((await ask(asked)).status).toBe(500);
  const stall = faults.add({ kind: 'stall', operation: 'Credentials' });
  const waiting = ask(asked);
  await stall.waitForHits();
  stall.release();
  expect((await waiting).status).toBe(200);
});
