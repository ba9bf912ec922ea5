import { randomBytes } from 'node:crypto';
import { CloudFixture } from '../support/cloud-fixture';
import type { RawRequest, RawS3 } from '../support/cloud-raw-s3';

let fixture: CloudFixture;
let raw: RawS3;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  raw = fixture.raw();
});
afterAll(() => fixture.stop());

const put: RawRequest = { method: 'PUT', path: '/depot/put' };

describe('Expect: 100-continue', () => {
  const large: RawRequest = {
    ...put,
    body: randomBytes(100_000),
    payloadHash: 'UNSIGNED-PAYLOAD',
    expectContinue: true,
  };
  test.each<[string, number, boolean, () => RawRequest]>([
    ['right', 200, true, () => large],
    [
      'wrong checksum, known only from the body',
      400,
      true,
      () => ({ ...large, headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }),
    ],
    [
      'denied',
      403,
      false,
      () => ({ ...large, credentials: fixture.cloud.issueCredentials({ policy: { Statement: [] } }) }),
    ],
    [
      'expired',
      400,
      false,
      () => ({
        ...large,
        credentials: fixture.cloud.issueCredentials({ policy: { Statement: [] }, durationSeconds: -1 }),
      }),
    ],
    ['bad signature', 403, false, () => ({ ...large, credentials: { ...fixture.cloud.admin, secretAccessKey: 'x' } })],
    ['malformed checksum', 400, false, () => ({ ...large, headers: { 'x-amz-checksum-crc32': 'AAAA' } })],
    ['malformed MD5', 400, false, () => ({ ...large, headers: { 'content-md5': 'abc' } })],
    ['no known payload hash', 400, false, () => ({ ...large, payloadHash: 'SOMETHING' })],
    ['metadata too large', 400, false, () => ({ ...large, headers: { 'x-amz-meta-a': 'x'.repeat(3000) } })],
    ['wrong region', 301, false, () => ({ ...large, region: 'us-east-1' })],
  ])('%s → %d, continued: %s', async (_, status, continued, request) => {
    const answer = await raw.send(request());
    expect([answer.status, answer.continued]).toEqual([status, continued]);
  });

  test('a refused body that is sent all the same does not hide the refusal', async () => {
    const credentials = { ...fixture.cloud.admin, secretAccessKey: 'x' };
    const answer = await raw.send({ ...put, body: randomBytes(8_000_000), credentials });
    expect(answer.code).toBe('SignatureDoesNotMatch');
    expect(answer.headers.connection).toBe('close');
  });
});
