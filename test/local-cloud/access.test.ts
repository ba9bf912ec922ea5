import { createHash } from 'node:crypto';
import { CloudFixture } from '../support/cloud-fixture';
import { type RawRequest, type RawS3, sha256 } from '../support/cloud-raw-s3';
import type { PolicyDocument, PolicyStatement } from './policy';

let fixture: CloudFixture;
let raw: RawS3;
let uploadId: string;

const md5Header = (body: string): Record<string, string> => ({
  'content-md5': createHash('md5').update(body).digest('base64'),
});

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  raw = fixture.raw();
  for (const key of ['thing/present', 'other/present', 'root'])
    await raw.send({ method: 'PUT', path: `/depot/${key}`, body: 'x' });
  await raw.send({ method: 'PUT', path: '/depot/thing/tagged', body: 'x', headers: { 'x-amz-tagging': 'k=v' } });
  const created = await raw.send({ method: 'POST', path: '/depot/thing/open', query: { uploads: '' } });
  uploadId = /<UploadId>([^<]+)/.exec(created.text)![1]!;
});
afterAll(() => fixture.stop());

const allow = (
  Action: string | string[],
  Resource: string | string[],
  rest: Partial<PolicyStatement> = {},
): PolicyStatement => ({ Effect: 'Allow', Action, Resource, ...rest });
const policyOf = (...Statement: PolicyStatement[]): PolicyDocument => ({ Version: '2012-10-17', Statement });

async function statusOf(
  request: RawRequest,
  policy: PolicyDocument,
  more: { sessionPolicy?: PolicyDocument; variables?: Record<string, string> } = {},
): Promise<string> {
  const answer = await raw.send({ ...request, credentials: fixture.cloud.issueCredentials({ policy, ...more }) });
  return `${answer.status} ${answer.code ?? ''}`.trim();
}

const DENIED = '403 AccessDenied';
const EVERYTHING = ['arn:aws:s3:::depot', 'arn:aws:s3:::depot/*'];
const tagging = '<Tagging><TagSet></TagSet></Tagging>';

/** Each operation with the actions it needs, all of them. */
const OPERATIONS: [name: string, actions: string[], status: string, request: () => RawRequest][] = [
  ['PutObject', ['PutObject'], '200', () => ({ method: 'PUT', path: '/depot/thing/new', body: 'x' })],
  [
    'PutObject with tags',
    ['PutObject', 'PutObjectTagging'],
    '200',
    () => ({ method: 'PUT', path: '/depot/thing/new', body: 'x', headers: { 'x-amz-tagging': 'k=v' } }),
  ],
  [
    'PutObject with If-Match',
    ['PutObject', 'GetObject'],
    '412 PreconditionFailed',
    () => ({ method: 'PUT', path: '/depot/thing/present', body: 'x', headers: { 'if-match': '"x"' } }),
  ],
  ['GetObject', ['GetObject'], '200', () => ({ path: '/depot/thing/present' })],
  ['DeleteObject', ['DeleteObject'], '204', () => ({ method: 'DELETE', path: '/depot/thing/gone' })],
  [
    'DeleteObject with If-Match',
    ['DeleteObject', 'GetObject'],
    '412 PreconditionFailed',
    () => ({ method: 'DELETE', path: '/depot/thing/present', headers: { 'if-match': '"x"' } }),
  ],
  [
    'CopyObject',
    ['GetObject', 'PutObject'],
    '200',
    () => ({ method: 'PUT', path: '/depot/thing/copy', headers: { 'x-amz-copy-source': 'depot/thing/present' } }),
  ],
  [
    'CopyObject of a tagged object',
    ['GetObject', 'PutObject', 'GetObjectTagging', 'PutObjectTagging'],
    '200',
    () => ({ method: 'PUT', path: '/depot/thing/copy', headers: { 'x-amz-copy-source': 'depot/thing/tagged' } }),
  ],
  [
    'CopyObject without its tags',
    ['GetObject', 'PutObject'],
    '200',
    () => ({
      method: 'PUT',
      path: '/depot/thing/copy',
      headers: { 'x-amz-copy-source': 'depot/thing/tagged', 'x-amz-tagging-directive': 'REPLACE' },
    }),
  ],
  ['ListObjectsV2', ['ListBucket'], '200', () => ({ path: '/depot', query: { 'list-type': '2' } })],
  ['GetBucketLocation', ['GetBucketLocation'], '200', () => ({ path: '/depot', query: { location: '' } })],
  ['GetObjectTagging', ['GetObjectTagging'], '200', () => ({ path: '/depot/thing/present', query: { tagging: '' } })],
  [
    'PutObjectTagging',
    ['PutObjectTagging'],
    '200',
    () => ({
      method: 'PUT',
      path: '/depot/thing/present',
      query: { tagging: '' },
      body: tagging,
      headers: md5Header(tagging),
    }),
  ],
  [
    'DeleteObjectTagging',
    ['DeleteObjectTagging'],
    '204',
    () => ({ method: 'DELETE', path: '/depot/thing/present', query: { tagging: '' } }),
  ],
  [
    'CreateMultipartUpload',
    ['PutObject'],
    '200',
    () => ({ method: 'POST', path: '/depot/thing/open', query: { uploads: '' } }),
  ],
  [
    'UploadPart',
    ['PutObject'],
    '200',
    () => ({ method: 'PUT', path: '/depot/thing/open', query: { partNumber: '1', uploadId }, body: 'x' }),
  ],
  [
    'UploadPartCopy',
    ['PutObject', 'GetObject'],
    '200',
    () => ({
      method: 'PUT',
      path: '/depot/thing/open',
      query: { partNumber: '1', uploadId },
      headers: { 'x-amz-copy-source': 'depot/thing/present' },
    }),
  ],
  ['ListParts', ['ListMultipartUploadParts'], '200', () => ({ path: '/depot/thing/open', query: { uploadId } })],
  [
    'CompleteMultipartUpload',
    ['PutObject'],
    '400 InvalidPart',
    () => ({
      method: 'POST',
      path: '/depot/thing/open',
      query: { uploadId },
      body: '<CompleteMultipartUpload><Part><PartNumber>9</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>',
    }),
  ],
  ['ListMultipartUploads', ['ListBucketMultipartUploads'], '200', () => ({ path: '/depot', query: { uploads: '' } })],
  [
    'AbortMultipartUpload',
    ['AbortMultipartUpload'],
    '204',
    () => ({ method: 'DELETE', path: '/depot/thing/open', query: { uploadId } }),
  ],
];

describe('each operation is allowed by its own actions and refused when one of them is missing', () => {
  test.each(OPERATIONS)('%s: %j', async (_, actions, status, request) => {
    const names = actions.map((action) => `s3:${action}`);
    const wanted = request();
    for (const missing of names) {
      const others: PolicyStatement = { Effect: 'Allow', NotAction: missing, Resource: '*' };
      expect([missing, await statusOf(wanted, policyOf(others))]).toEqual([missing, DENIED]);
    }
    expect(await statusOf(wanted, policyOf(allow(names, EVERYTHING)))).toBe(status);
  });
});

describe('decisions', () => {
  const get: RawRequest = { path: '/depot/thing/present' };
  const list = (prefix?: string): RawRequest => ({
    path: '/depot',
    query: { 'list-type': '2', ...(prefix === undefined ? {} : { prefix }) },
  });
  const object = 'arn:aws:s3:::depot/thing/*';
  test.each<[string, string, RawRequest, PolicyStatement[]]>([
    ['wildcard action', '200', get, [allow('s3:Get*', object)]],
    ['action in other letters', '200', get, [allow('S3:getobject', object)]],
    ['resource of another folder', DENIED, get, [allow('s3:GetObject', 'arn:aws:s3:::depot/other/*')]],
    ['resource in other letters', DENIED, get, [allow('s3:GetObject', 'arn:aws:s3:::depot/THING/*')]],
    [
      'explicit deny wins',
      DENIED,
      get,
      [allow('s3:*', '*'), { Effect: 'Deny', Action: 's3:GetObject', Resource: object }],
    ],
    [
      'deny of something else',
      '200',
      get,
      [allow('s3:*', '*'), { Effect: 'Deny', Action: 's3:PutObject', Resource: object }],
    ],
    ['NotResource', DENIED, get, [{ Effect: 'Allow', Action: 's3:*', NotResource: object }]],
    [
      'NotResource of another',
      '200',
      get,
      [{ Effect: 'Allow', Action: 's3:*', NotResource: 'arn:aws:s3:::depot/other/*' }],
    ],
    [
      'condition met',
      '200',
      list('a/'),
      [allow('s3:ListBucket', '*', { Condition: { StringEquals: { 's3:prefix': ['b/', 'a/'] } } })],
    ],
    [
      'condition not met',
      DENIED,
      list('c/'),
      [allow('s3:ListBucket', '*', { Condition: { StringEquals: { 's3:prefix': ['b/', 'a/'] } } })],
    ],
    [
      'key of the condition absent',
      DENIED,
      list(),
      [allow('s3:ListBucket', '*', { Condition: { StringLike: { 's3:prefix': '*' } } })],
    ],
    [
      'absent, but IfExists',
      '200',
      list(),
      [allow('s3:ListBucket', '*', { Condition: { StringLikeIfExists: { 's3:prefix': 'a/' } } })],
    ],
    [
      'negated and absent',
      '200',
      list(),
      [allow('s3:ListBucket', '*', { Condition: { StringNotLike: { 's3:prefix': 'a/*' } } })],
    ],
    [
      'negated and equal',
      DENIED,
      list('a/1'),
      [allow('s3:ListBucket', '*', { Condition: { StringNotLike: { 's3:prefix': ['a/*', 'b/*'] } } })],
    ],
    ['Bool', '200', get, [allow('s3:*', '*', { Condition: { Bool: { 'aws:SecureTransport': 'true' } } })]],
    ['Bool, not', DENIED, get, [allow('s3:*', '*', { Condition: { Bool: { 'aws:SecureTransport': 'false' } } })]],
    ['Null', '200', list(), [allow('s3:ListBucket', '*', { Condition: { Null: { 's3:prefix': 'true' } } })]],
    [
      'number',
      DENIED,
      { ...list(), query: { 'list-type': '2', 'max-keys': '11' } },
      [allow('s3:ListBucket', '*', { Condition: { NumericLessThanEquals: { 's3:max-keys': '10' } } })],
    ],
    [
      'two operators, one not met',
      DENIED,
      list('a/'),
      [
        allow('s3:ListBucket', '*', {
          Condition: { StringEquals: { 's3:prefix': 'a/' }, Bool: { 'aws:SecureTransport': 'false' } },
        }),
      ],
    ],
  ])('%s → %s', async (_, expected, request, statements) => {
    expect(await statusOf(request, policyOf(...statements))).toBe(expected);
  });

  const perThing = (name: string): PolicyDocument =>
    policyOf(allow('s3:*', `arn:aws:s3:::depot/\${credentials-iot:${name}}/*`));
  test.each<[string, string, PolicyDocument, Record<string, string>]>([
    ['a variable', '200', perThing('ThingName'), { 'credentials-iot:ThingName': 'thing' }],
    ['its name in other letters', '200', perThing('thingname'), { 'credentials-iot:ThingName': 'thing' }],
    ['another value', DENIED, perThing('ThingName'), { 'credentials-iot:ThingName': 'other' }],
    ['no value', DENIED, perThing('ThingName'), {}],
    ['a value with a wildcard is literal', DENIED, perThing('ThingName'), { 'credentials-iot:ThingName': '*' }],
    [
      'an old document knows no variables',
      DENIED,
      { ...perThing('ThingName'), Version: '2008-10-17' },
      { 'credentials-iot:ThingName': 'thing' },
    ],
    [
      'a deny without its value does not match',
      '200',
      policyOf(allow('s3:*', '*'), {
        Effect: 'Deny',
        Action: 's3:*',
        Resource: `arn:aws:s3:::depot/\${credentials-iot:ThingName}/*`,
      }),
      {},
    ],
  ])('%s → %s', async (_, expected, policy, variables) => {
    expect(await statusOf(get, policy, { variables })).toBe(expected);
  });

  test('a session policy only narrows', async () => {
    const role = policyOf(allow(['s3:GetObject', 's3:PutObject'], EVERYTHING));
    expect(await statusOf(get, role, { sessionPolicy: policyOf(allow('s3:GetObject', object)) })).toBe('200');
    expect(await statusOf(get, role, { sessionPolicy: policyOf(allow('s3:PutObject', object)) })).toBe(DENIED);
    const remove: RawRequest = { method: 'DELETE', path: '/depot/thing/present' };
    expect(await statusOf(remove, role, { sessionPolicy: policyOf(allow('s3:*', '*')) })).toBe(DENIED);
  });

  test('whether a key exists is hidden without s3:ListBucket', async () => {
    const absent: RawRequest = { path: '/depot/thing/absent' };
    expect(await statusOf(absent, policyOf(allow('s3:GetObject', object)))).toBe(DENIED);
    expect(await statusOf({ ...absent, method: 'HEAD' }, policyOf(allow('s3:GetObject', object)))).toBe('403');
    const listing = policyOf(allow('s3:GetObject', object), allow('s3:ListBucket', 'arn:aws:s3:::depot'));
    expect(await statusOf(absent, listing)).toBe('404 NoSuchKey');
    expect(await statusOf({ ...absent, method: 'HEAD' }, listing)).toBe('404');
  });

  test('DeleteObjects refuses key by key', async () => {
    const body = '<Delete><Object><Key>other/x</Key></Object><Object><Key>thing/x</Key></Object></Delete>';
    const credentials = fixture.cloud.issueCredentials({ policy: policyOf(allow('s3:DeleteObject', object)) });
    const answer = await raw.send({
      method: 'POST',
      path: '/depot',
      query: { delete: '' },
      body,
      headers: md5Header(body),
      credentials,
    });
    expect(answer.text).toMatch(/<Error><Key>other\/x<\/Key><Code>AccessDenied<.*<Deleted><Key>thing\/x</s);
  });

  test("a bucket policy's Deny binds everybody, as one that wants signed payloads", async () => {
    fixture.cloud.createBucket('strict', {
      policy: policyOf({
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:PutObject',
        Resource: 'arn:aws:s3:::strict/*',
        Condition: { StringEquals: { 's3:x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      }),
    });
    const put: RawRequest = { method: 'PUT', path: '/strict/x', body: 'x' };
    expect((await raw.send({ ...put, payloadHash: 'UNSIGNED-PAYLOAD' })).code).toBe('AccessDenied');
    expect((await raw.send({ ...put, payloadHash: sha256('x') })).status).toBe(200);
  });

  test('a policy that could only fail silently is refused at once', () => {
    const issue = (statement: object) => () =>
      fixture.cloud.issueCredentials({ policy: policyOf(statement as PolicyStatement) });
    expect(issue({ Effect: 'Allow', Action: 's3:*', Resource: '*', Condition: { StringIsh: { a: 'b' } } })).toThrow(
      'StringIsh',
    );
    expect(issue({ Effect: 'Allow', Actions: 's3:*', Resource: '*' })).toThrow('Actions');
    expect(issue({ Effect: 'Allow', Resource: '*' })).toThrow('Action');
    expect(issue({ Effect: 'Allow', Action: 's3:*' })).toThrow('Resource');
  });
});
