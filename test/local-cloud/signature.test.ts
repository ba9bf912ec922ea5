import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { CloudFixture, outcomeOf } from '../support/cloud-fixture';
import { amzDateOf, type RawRequest, type RawS3, sha256 } from '../support/cloud-raw-s3';
import { adminPolicy } from './seed-policies';

const MINUTE_MS = 60_000;
let fixture: CloudFixture;
let raw: RawS3;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  fixture.cloud.createBucket('far', { region: 'us-west-2' });
  raw = fixture.raw();
  await raw.send({ method: 'PUT', path: '/depot/present', body: 'here' });
});
afterAll(() => fixture.stop());

const put: RawRequest = { method: 'PUT', path: '/depot/signed', body: 'hello' };

describe('signed header', () => {
  const session = (durationSeconds = 60) => fixture.cloud.issueCredentials({ policy: adminPolicy(), durationSeconds });
  test.each<[string, string, () => RawRequest]>([
    ['right', '200', () => put],
    ['right, with a session token', '200', () => ({ ...put, credentials: session() })],
    ['right, 14 minutes behind', '200', () => ({ ...put, atMs: Date.now() - 14 * MINUTE_MS })],
    ['right, unsigned payload over TLS', '200', () => ({ ...put, payloadHash: 'UNSIGNED-PAYLOAD' })],
    [
      'right, virtual host',
      '200',
      () => ({ ...put, path: '/signed', headers: { host: host().replace('localhost', 'depot.s3.localhost') } }),
    ],
    ['right, odd key', '200', () => ({ ...put, path: `/depot/${encodeURIComponent('a +%~ü€😀')}` })],
    [
      'wrong secret',
      '403 SignatureDoesNotMatch',
      () => ({ ...put, credentials: { ...admin(), secretAccessKey: 'x' } }),
    ],
    [
      'unknown key',
      '403 InvalidAccessKeyId',
      () => ({ ...put, credentials: { ...admin(), accessKeyId: 'AKIANOBODY' } }),
    ],
    [
      'path changed',
      '403 SignatureDoesNotMatch',
      () => ({
        ...put,
        tamper: (w) => {
          w.path = '/depot/other';
        },
      }),
    ],
    [
      'query added',
      '403 SignatureDoesNotMatch',
      () => ({
        ...put,
        tamper: (w) => {
          w.path += '?x-id=PutObject';
        },
      }),
    ],
    [
      'header changed',
      '403 SignatureDoesNotMatch',
      () => ({
        ...put,
        headers: { 'x-amz-meta-a': '1' },
        tamper: (w) => {
          w.headers['x-amz-meta-a'] = '2';
        },
      }),
    ],
    [
      'date changed',
      '403 SignatureDoesNotMatch',
      () => ({
        ...put,
        atMs: Date.now() - 1000,
        tamper: (w) => {
          w.headers['x-amz-date'] = amzDateOf(Date.now() - 3000);
        },
      }),
    ],
    [
      'body changed',
      '400 XAmzContentSHA256Mismatch',
      () => ({
        ...put,
        tamper: (w) => {
          w.body = Buffer.from('jello');
        },
      }),
    ],
    ['hash of another body', '400 XAmzContentSHA256Mismatch', () => ({ ...put, payloadHash: sha256('other') })],
    ['hash of no known form', '400 InvalidArgument', () => ({ ...put, payloadHash: 'SOMETHING' })],
    ['unsigned x-amz header', '403 AccessDenied', () => ({ ...put, unsignedHeaders: { 'x-amz-meta-late': '1' } })],
    [
      'no content hash',
      '400 InvalidRequest',
      () => ({
        ...put,
        tamper: (w) => {
          delete w.headers['x-amz-content-sha256'];
        },
      }),
    ],
    [
      'no signature',
      '403 AccessDenied',
      () => ({
        ...put,
        tamper: (w) => {
          delete w.headers.authorization;
        },
      }),
    ],
    [
      'unreadable authorization',
      '400 AuthorizationHeaderMalformed',
      () => ({
        ...put,
        tamper: (w) => {
          w.headers.authorization = 'AWS4-HMAC-SHA256 nonsense';
        },
      }),
    ],
    ['another service', '400 AuthorizationHeaderMalformed', () => ({ ...put, service: 'sqs' })],
    [
      'scope of another day',
      '400 AuthorizationHeaderMalformed',
      () => ({
        ...put,
        tamper: (w) => {
          w.headers.authorization = w.headers.authorization!.replace(/\/\d{8}\//, '/20200101/');
        },
      }),
    ],
    ['16 minutes behind', '403 RequestTimeTooSkewed', () => ({ ...put, atMs: Date.now() - 16 * MINUTE_MS })],
    ['16 minutes ahead', '403 RequestTimeTooSkewed', () => ({ ...put, atMs: Date.now() + 16 * MINUTE_MS })],
    ['wrong region', '301 PermanentRedirect', () => ({ ...put, path: '/far/signed' })],
    [
      'token of nobody',
      '400 InvalidToken',
      () => ({ ...put, credentials: { ...session(), sessionToken: Buffer.alloc(800, 1).toString('base64') } }),
    ],
    [
      "another session's token",
      '400 InvalidToken',
      () => ({ ...put, credentials: { ...session(), sessionToken: session().sessionToken } }),
    ],
    ['token altered', '400 InvalidToken', () => ({ ...put, credentials: altered(session()) })],
    ['token expired', '400 ExpiredToken', () => ({ ...put, credentials: session(-1) })],
    [
      'session key without its token',
      '403 InvalidAccessKeyId',
      () => ({ ...put, credentials: { ...admin(), accessKeyId: session().accessKeyId } }),
    ],
    ['no such bucket', '404 NoSuchBucket', () => ({ ...put, path: '/nowhere/signed' })],
    ['undecodable path', '400 InvalidURI', () => ({ ...put, path: '/depot/%E0%A4%A' })],
    ['operation that is not here', '501 NotImplemented', () => ({ path: '/depot/present', query: { acl: '' } })],
    ['list of all buckets', '501 NotImplemented', () => ({ path: '/' })],
  ])('%s → %s', async (_, expected, request) => {
    const answer = await raw.send(request());
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
    expect(answer.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/);
    expect(Date.parse(answer.headers.date ?? '')).not.toBeNaN();
  });

  test('refusals say what a client needs to mend them', async () => {
    const redirect = await raw.send({ ...put, path: '/far/x' });
    expect(redirect.headers['x-amz-bucket-region']).toBe('us-west-2');
    const skewed = await raw.send({ ...put, atMs: 0 });
    expect(skewed.text).toMatch(/<ServerTime>20.*<MaxAllowedSkewMilliseconds>900000</);
    const head = await raw.send({ method: 'HEAD', path: '/far/x' });
    expect([head.status, head.headers['x-amz-bucket-region'], head.text]).toEqual([301, 'us-west-2', '']);
  });

  test("the server's clock decides, and its Date tells it", async () => {
    fixture.cloud.clockOffsetMs = 3 * 3_600_000;
    try {
      const refused = await raw.send(put);
      expect(refused.code).toBe('RequestTimeTooSkewed');
      const told = Date.parse(refused.headers.date!);
      expect(Math.abs(told - Date.now() - 3 * 3_600_000)).toBeLessThan(60_000);
      expect((await raw.send({ ...put, atMs: told })).status).toBe(200);
    } finally {
      fixture.cloud.clockOffsetMs = 0;
    }
  });

  test('all tokens so far can be made to expire', async () => {
    const old = fixture.s3(session());
    await old.send(new GetObjectCommand({ Bucket: 'depot', Key: 'present' }));
    fixture.cloud.expireTokens();
    expect(await outcomeOf(old.send(new GetObjectCommand({ Bucket: 'depot', Key: 'present' })))).toBe(
      '400 ExpiredToken',
    );
    expect(await outcomeOf(fixture.s3(session()).send(new ListObjectsV2Command({ Bucket: 'depot' })))).toBe('ok');
  });

  test('the SDK signs what we verify, odd keys and metadata included', async () => {
    const s3 = fixture.s3();
    const Key = "odd !'()*~@ +ü€😀//x/../y";
    await s3.send(new PutObjectCommand({ Bucket: 'depot', Key, Body: 'x', Metadata: { 'a-b': 'two  blanks' } }));
    expect((await s3.send(new GetObjectCommand({ Bucket: 'depot', Key }))).Metadata).toEqual({ 'a-b': 'two  blanks' });
  });
});

describe('presigned', () => {
  const get: RawRequest = { path: '/depot/present' };
  const fetchRaw = (path: string, method = 'GET') =>
    raw.transmit({ method }, { path, headers: { host: host() }, body: Buffer.alloc(0) });
  test.each<[string, string, () => string]>([
    ['right', '200', () => raw.presign(get)],
    [
      'right, with a session token',
      '200',
      () => raw.presign({ ...get, credentials: fixture.cloud.issueCredentials({ policy: adminPolicy() }) }),
    ],
    ['expired', '403 AccessDenied', () => raw.presign({ ...get, atMs: Date.now() - 61_000 })],
    ['not yet valid', '403 AccessDenied', () => raw.presign({ ...get, atMs: Date.now() + 16 * MINUTE_MS })],
    [
      'signing session expired',
      '400 ExpiredToken',
      () =>
        raw.presign({
          ...get,
          credentials: fixture.cloud.issueCredentials({ policy: adminPolicy(), durationSeconds: -1 }),
        }),
    ],
    [
      'longer than a week',
      '400 AuthorizationQueryParametersError',
      () => raw.presign({ ...get, expiresSeconds: 604_801 }),
    ],
    [
      'no number of seconds',
      '400 AuthorizationQueryParametersError',
      () => raw.presign({ ...get, expiresSeconds: 'soon' }),
    ],
    [
      'parameter missing',
      '400 AuthorizationQueryParametersError',
      () => raw.presign(get).replace(/X-Amz-Date=[^&]*&/, ''),
    ],
    ['expiry stretched', '403 SignatureDoesNotMatch', () => raw.presign(get).replace('Expires=60', 'Expires=6000')],
    ['key changed', '403 SignatureDoesNotMatch', () => raw.presign(get).replace('/present', '/absent')],
  ])('%s → %s', async (_, expected, url) => {
    const answer = await fetchRaw(url());
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
    if (expected === '200') expect(answer.text).toBe('here');
  });

  test('an expired one says so in the words clients look for', async () => {
    const answer = await fetchRaw(raw.presign({ ...get, atMs: Date.now() - 61_000 }));
    expect(answer.text).toContain('<Message>Request has expired</Message>');
    expect(answer.text).toContain('<X-Amz-Expires>60</X-Amz-Expires>');
  });

  test('a PUT', async () => {
    const path = raw.presign({ method: 'PUT', path: '/depot/presigned-put' });
    const answer = await raw.transmit(
      { method: 'PUT' },
      { path, headers: { host: host(), 'content-length': '3' }, body: Buffer.from('abc') },
    );
    expect(answer.status).toBe(200);
    expect(fixture.cloud.findObject('depot', 'presigned-put')?.sizeBytes).toBe(3);
  });
});

function host(): string {
  return new URL(fixture.cloud.s3Endpoint).host;
}

function admin(): { accessKeyId: string; secretAccessKey: string } {
  return fixture.cloud.admin;
}

function altered<T extends { sessionToken: string }>(credentials: T): T {
  const bytes = Buffer.from(credentials.sessionToken, 'base64');
  bytes[400]! ^= 1;
  return { ...credentials, sessionToken: bytes.toString('base64') };
}
