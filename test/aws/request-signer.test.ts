import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { RequestSigner } from '../../src/aws/s3/request-signer';
import { encodeKey } from '../../src/aws/s3/s3-connection';
import { SignerSha256 } from '../engines/signer-sha256';

const headerValue = fc.oneof(
  fc.string({ unit: fc.constantFrom(...' ab\t/%=;,:"') }),
  fc.string({ maxLength: 20 }),
  fc.constant('UNSIGNED-PAYLOAD'),
);
const request = fc.record({
  method: fc.constantFrom('PUT' as const, 'HEAD' as const, 'DELETE' as const),
  key: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  query: fc.oneof(
    fc.constant({}),
    fc.record({
      partNumber: fc.nat().map(String),
      uploadId: fc.string({ unit: fc.constantFrom(...'aZ09._-~+/=%&!*') }),
    }),
  ),
  headers: fc.dictionary(
    fc.stringMatching(/^(content-type|content-md5|if-none-match|x-amz-[a-z0-9-]{1,12})$/),
    headerValue,
  ),
});
const credentials = fc.record({
  accessKeyId: fc.constantFrom('ASIAAAAA', 'ASIABBBB'),
  secretAccessKey: fc.constantFrom('s1', 'a/b+c'),
  sessionToken: fc.constantFrom('', 'token', 'IQoJ/+=='),
});
const seconds = fc.integer({ min: 0, max: 4_000_000_000 });

test('signs as the SDK does, whatever the key, the headers and the credentials', async () => {
  const signers = new Map(['eu-central-1', 'us-east-1'].map((region) => [region, new RequestSigner(region)]));
  await fc.assert(
    fc.asyncProperty(
      request,
      credentials,
      fc.constantFrom(...signers.keys()),
      seconds,
      async ({ method, key, query, headers }, held, region, atSeconds) => {
        const path = `/${encodeKey(key)}`;
        const all = {
          host: 'localhost:9000',
          'content-length': '4096',
          'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
          ...headers,
        };
        const date = new Date(atSeconds * 1000);
        const signed = signers.get(region)!.sign({ method, path, query, headers: all }, held, date);
        const theirs = await new SignatureV4({
          credentials: { ...held },
          region,
          service: 's3',
          sha256: SignerSha256,
          uriEscapePath: false,
          applyChecksum: false,
        }).sign(
          { method, protocol: 'https:', hostname: 'localhost', path, query: { ...query }, headers: { ...all } },
          { signingDate: date },
        );
        expect(signed.headers).toEqual(theirs.headers);
        const sent = new URL(`https://localhost:9000${signed.path}`);
        expect(Object.fromEntries(sent.searchParams)).toEqual(query);
        expect(sent.pathname).toBe(new URL(`https://localhost:9000${path}`).pathname);
      },
    ),
    { numRuns: 1_000 },
  );
});

test('a new day and a renewed secret have their own key', () => {
  const signer = new RequestSigner('eu-central-1');
  const sign = (secretAccessKey: string, day: string): string | undefined =>
    signer.sign(
      { method: 'PUT', path: '/a', query: {}, headers: { host: 'h', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      { accessKeyId: 'A', secretAccessKey, sessionToken: 't' },
      new Date(day),
    ).headers.authorization;
  const signatures = [sign('a', '2030-01-01'), sign('b', '2030-01-01'), sign('a', '2030-01-02')];
  expect(new Set(signatures).size).toBe(3);
  expect(sign('a', '2030-01-01')).toBe(signatures[0]);
});
