import { S3Client } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { findPlainBaseUrl, type S3Place } from '../../src/aws/s3/plain-base-url';

const plain: S3Place = {
  bucket: 'fleet-bucket',
  region: 'eu-central-1',
  endpoint: undefined,
  pathStyle: false,
  dualStack: false,
  fips: false,
};

const { config } = new S3Client({ region: 'us-east-1' });

/** What the SDK's own rules say; undefined where they refuse. */
function bySdk({ bucket, region, endpoint, pathStyle, dualStack, fips }: S3Place): string | undefined {
  try {
    return config.endpointProvider({
      Bucket: bucket,
      Region: region,
      ...(endpoint === undefined ? {} : { Endpoint: endpoint }),
      ForcePathStyle: pathStyle,
      UseDualStack: dualStack,
      UseFIPS: fips,
      UseArnRegion: true,
    }).url.href;
  } catch {
    return undefined;
  }
}

test.each<[string, Partial<S3Place>]>([
  ['https://fleet-bucket.s3.eu-central-1.amazonaws.com/', {}],
  ['https://fleet-bucket.s3.us-east-1.amazonaws.com/', { region: 'us-east-1' }],
  ['https://store:9000/fleet-bucket', { endpoint: 'https://store:9000', pathStyle: true }],
  ['http://10.0.0.1/s3/fleet-bucket', { endpoint: 'http://10.0.0.1/s3/', pathStyle: true }],
])('%s is known without the SDK', (url, differing) => {
  expect(findPlainBaseUrl({ ...plain, ...differing })?.href).toBe(url);
  expect(bySdk({ ...plain, ...differing })).toBe(url);
});

test.each<[string, Partial<S3Place>]>([
  ['a FIPS endpoint', { fips: true }],
  ['a dual-stack endpoint', { dualStack: true }],
  ['an access point', { bucket: 'arn:aws:s3:eu-central-1:111122223333:accesspoint/depot' }],
  ['an alias of an access point', { bucket: 'depot-abcdef--ol-s3' }],
  ['a directory bucket', { bucket: 'depot--euc1-az1--x-s3' }],
  ['a bucket with a dot', { bucket: 'fleet.example' }],
  ['China', { region: 'cn-north-1' }],
  ['GovCloud', { region: 'us-gov-west-1' }],
  ['no region', { region: 'aws-global' }],
  ['path style at AWS', { pathStyle: true }],
  ['a bucket before the name of an endpoint', { endpoint: 'https://store:9000' }],
])('%s is left to the SDK', (_, differing) => {
  expect(findPlainBaseUrl({ ...plain, ...differing })).toBeUndefined();
});

test('whatever is known without the SDK, the SDK says too', () => {
  const name = fc.oneof(
    fc.stringMatching(/^[a-z0-9.-]{1,12}$/),
    fc.constantFrom('depot--x-s3', 'a--op-s3', 'x-s3alias', 'abc', 'a'.repeat(63), 'a'.repeat(64), '-ab', '10.0.0.1'),
  );
  const region = fc.oneof(
    fc.constantFrom('eu-central-1', 'us-east-1', 'ap-southeast-7', 'cn-north-1', 'us-gov-east-1', 'eusc-de-east-1'),
    fc.constantFrom('us-iso-east-1', 'aws-global', 's3-external-1', 'fips-us-east-1', 'mx-central-1', ''),
    fc.stringMatching(/^[a-z]{2}-[a-z]{1,5}-[0-9]{1,2}$/),
  );
  const endpoint = fc.constantFrom(
    undefined,
    'https://localhost:9000',
    'http://10.0.0.1',
    'https://[::1]:9000/',
    'https://store/s3',
    'https://store/s3/',
    'https://store/s3//',
    'https://store/?x=1',
    'https://s3.eu-central-1.amazonaws.com',
  );
  fc.assert(
    fc.property(
      fc.record({
        bucket: name,
        region,
        endpoint,
        pathStyle: fc.boolean(),
        dualStack: fc.constant(false),
        fips: fc.constant(false),
      }),
      (place) => {
        const found = findPlainBaseUrl(place);
        if (found !== undefined) expect(found.href).toBe(bySdk(place));
      },
    ),
    { numRuns: 1_000 },
  );
});
