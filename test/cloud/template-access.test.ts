import { type AssumeRoleInput, vendToken } from '../../src/cloud/handlers/token-vendor';
import { makeTemplate } from '../../src/cloud/template/make-template';
import { isAllowed, type PolicyDocument } from '../local-cloud/policy';
import { ACCOUNT, resolveTemplate, type Stack } from './resolve-template';

const TEMPLATE = makeTemplate({ tokenVendor: '', inboxNotifier: '' });
const BUCKET = 'fleet-bucket';
const THING = 'device00';
const KEY = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/11111111-2222-3333-4444-555555555555`;
const ALL: Stack = {
  parameters: { BucketName: BUCKET, TokenVendor: 'true', KmsKeyArn: KEY, ArchiveDays: '7', TokenExchangeRole: 'core' },
};

/** `allowed` or `denied`, what is done, to what; of a list the prefix. */
type Call = readonly ['allowed' | 'denied', string, string];

function resourcesOf(stack: Stack = ALL) {
  return resolveTemplate(TEMPLATE, stack).resources;
}

const rolePolicy = (name: string): PolicyDocument => resourcesOf()[name].Properties.Policies[0].PolicyDocument;

/** By documents that all have to allow. */
function judge(documents: PolicyDocument[], action: string, target: string, variables: Record<string, string>): string {
  const isList = action === 's3:ListBucket';
  const resource = isList ? `arn:aws:s3:::${BUCKET}` : target;
  const context = { ...variables, ...(isList ? { 's3:prefix': target } : {}) };
  return isAllowed(documents, { action, resource, context }) ? 'allowed' : 'denied';
}

const object = (key: string): string => `arn:aws:s3:::${BUCKET}/${key}`;
const device = { 'credentials-iot:thingname': THING };

/** What each how-to calls, as the template's own policies see it. */
const OWN_FOLDER: readonly Call[] = [
  // A and E: upload, look, fetch, move; C: fetch by name
  ['allowed', 's3:PutObject', object(`${THING}/test.txt`)],
  ['allowed', 's3:GetObject', object(`${THING}/inbox/a.txt`)],
  ['allowed', 's3:ListBucket', `${THING}/inbox/`],
  ['allowed', 's3:ListBucket', `${THING}/`],
  ['allowed', 's3:PutObject', object(`${THING}/archive/a.txt`)],
  ['allowed', 's3:DeleteObject', object(`${THING}/inbox/a.txt`)],
  ['allowed', 's3:GetObjectVersion', object(`${THING}/setting.json`)],
  ['allowed', 's3:DeleteObjectVersion', object(`${THING}/setting.json`)],
  // resuming, clearing up, tags
  ['allowed', 's3:ListMultipartUploadParts', object(`${THING}/outbox/a.bin`)],
  ['allowed', 's3:AbortMultipartUpload', object(`${THING}/outbox/a.bin`)],
  ['allowed', 's3:GetObjectTagging', object(`${THING}/inbox/a.txt`)],
  ['allowed', 's3:PutObjectTagging', object(`${THING}/archive/a.txt`)],
  // an archive that expires
  ['allowed', 's3:PutObject', object(`.archive/${THING}/a.txt`)],
  ['allowed', 's3:GetObject', object(`.archive/${THING}/a.txt`)],
  ['denied', 's3:DeleteObject', object(`.archive/${THING}/a.txt`)],
  ['denied', 's3:PutObject', object('.archive/device01/a.txt')],
  ['allowed', 's3:ListBucket', `.archive/${THING}/a.txt`],
  ['denied', 's3:ListBucket', '.archive/'],
  ['denied', 's3:ListBucket', '.archive/device01/'],
  // a key that encrypts the bucket
  ['allowed', 'kms:GenerateDataKey', KEY],
  ['allowed', 'kms:Decrypt', KEY],
  ['denied', 'kms:Encrypt', KEY],
  ['denied', 'kms:Decrypt', KEY.replace('1111', '2222')],
  // others' folders, the root, the bucket
  ['denied', 's3:GetObject', object('device01/test.txt')],
  ['denied', 's3:PutObject', object('device01/test.txt')],
  ['denied', 's3:PutObject', object(`${THING}1/test.txt`)],
  ['denied', 's3:ListBucket', 'device01/'],
  ['denied', 's3:ListBucket', THING],
  ['denied', 's3:ListBucket', ''],
  ['denied', 's3:PutObject', object('test.txt')],
  ['denied', 's3:GetObject', object('hoge.txt')],
  ['denied', 's3:PutObject', `arn:aws:s3:::other-bucket/${THING}/test.txt`],
  ['denied', 's3:PutBucketPolicy', `arn:aws:s3:::${BUCKET}`],
  ['denied', 's3:PutObjectAcl', object(`${THING}/test.txt`)],
  ['denied', 'sts:AssumeRole', `arn:aws:iam::${ACCOUNT}:role/tokenrole`],
];

describe('the role of things (how-tos A, C, E)', () => {
  it.each(OWN_FOLDER)('is %s %s on %s', (expected, action, target) => {
    expect(judge([rolePolicy('DeviceRole')], action, target, device)).toBe(expected);
  });

  it('grants nothing to who says not which thing it is', () => {
    const allowed = OWN_FOLDER.filter(
      ([, action, target]) => judge([rolePolicy('DeviceRole')], action, target, {}) === 'allowed',
    );
    expect(allowed.filter(([, action]) => !action.startsWith('kms:'))).toEqual([]);
  });

  it('is what core devices get by their token exchange role', () => {
    const { CoreDevicePolicy, DeviceRole } = resourcesOf();
    expect(CoreDevicePolicy.Properties.PolicyDocument).toEqual(DeviceRole.Properties.Policies[0].PolicyDocument);
  });

  it('has no archive beside the folders unless it expires', () => {
    const { DeviceRole } = resourcesOf({ parameters: { BucketName: BUCKET } });
    const [{ PolicyDocument }] = DeviceRole.Properties.Policies;
    expect(judge([PolicyDocument], 's3:PutObject', object(`.archive/${THING}/a.txt`), device)).toBe('denied');
  });
});

describe('the token that a thing is given (how-to B)', () => {
  const session = async (): Promise<PolicyDocument> => {
    const {
      BUCKET: bucket,
      ROLE_ARN: roleArn,
      KMS_KEY_ARN: kmsKeyArn,
    } = resourcesOf().TokenVendorFunction.Properties.Environment.Variables;
    const inputs: AssumeRoleInput[] = [];
    await vendToken(
      { name: THING },
      { bucket, roleArn, kmsKeyArn, durationSeconds: 3_600 },
      async (input) => {
        inputs.push(input);
        return {};
      },
      async () => undefined,
    );
    return JSON.parse(inputs[0]!.Policy) as PolicyDocument;
  };

  it.each<Call>([
    ['allowed', 's3:PutObject', object(`${THING}/outbox/a.bin`)],
    ['allowed', 'kms:GenerateDataKey', KEY],
    ['allowed', 'kms:Decrypt', KEY],
    ['denied', 's3:GetObject', object(`${THING}/outbox/a.bin`)],
    ['denied', 's3:ListMultipartUploadParts', object(`${THING}/outbox/a.bin`)],
    ['denied', 's3:AbortMultipartUpload', object(`${THING}/outbox/a.bin`)],
    ['denied', 's3:DeleteObject', object(`${THING}/outbox/a.bin`)],
    ['denied', 's3:ListBucket', `${THING}/`],
    ['denied', 's3:PutObject', object('device01/outbox/a.bin')],
    ['denied', 's3:PutObject', object('a.bin')],
  ])('is %s %s on %s', async (expected, action, target) => {
    expect(judge([rolePolicy('TokenRole'), await session()], action, target, {})).toBe(expected);
  });

  const iot = (resource: string): string => `arn:aws:iot:eu-central-1:${ACCOUNT}:${resource}`;
  it.each<Call>([
    ['allowed', 'sts:AssumeRole', `arn:aws:iam::${ACCOUNT}:role/tokenrole`],
    ['allowed', 'iot:Publish', iot(`topic/${THING}/token/res`)],
    ['denied', 'sts:AssumeRole', `arn:aws:iam::${ACCOUNT}:role/devicerole`],
    ['denied', 'iot:Publish', iot(`topic/${THING}/token/req`)],
    ['denied', 's3:PutObject', object(`${THING}/outbox/a.bin`)],
  ])('its function is %s %s on %s', (expected, action, target) => {
    const { PolicyDocument } = resourcesOf().TokenVendorPolicy.Properties;
    expect(judge([PolicyDocument], action, target, {})).toBe(expected);
  });

  it.each<Call>([
    ['allowed', 'iot:Publish', iot(`topic/courier/${THING}/inbox/pull`)],
    ['denied', 'iot:Publish', iot(`topic/courier/${THING}/self`)],
    ['denied', 's3:GetObject', object(`${THING}/inbox/a.txt`)],
  ])("the inbox notifier's function is %s %s on %s", (expected, action, target) => {
    const { PolicyDocument } = resourcesOf().InboxNotifierPolicy.Properties;
    expect(judge([PolicyDocument], action, target, {})).toBe(expected);
  });
});

describe('the role that signs URLs of jobs (how-to D)', () => {
  it.each<Call>([
    ['allowed', 's3:GetObject', object('app.tar.gz')],
    ['allowed', 's3:ListBucket', ''],
    ['allowed', 'kms:Decrypt', KEY],
    ['denied', 's3:PutObject', object('app.tar.gz')],
    ['denied', 's3:DeleteObject', object('app.tar.gz')],
    ['denied', 's3:GetObject', 'arn:aws:s3:::other-bucket/app.tar.gz'],
    ['denied', 'kms:GenerateDataKey', KEY],
  ])('is %s %s on %s', (expected, action, target) => {
    expect(judge([rolePolicy('JobsRole')], action, target, {})).toBe(expected);
  });
});

describe('the certificate of a thing', () => {
  const iot = (resource: string): string => `arn:aws:iot:eu-central-1:${ACCOUNT}:${resource}`;
  const connected = { 'iot:connection.thing.thingname': THING };
  const jobs = `$aws/things/${THING}/jobs`;
  const CALLS: readonly Call[] = [
    ['allowed', 'iot:AssumeRoleWithCertificate', 'rolealias/courier'],
    ['denied', 'iot:AssumeRoleWithCertificate', 'rolealias/other'],
    ['allowed', 'iot:Connect', `client/${THING}`],
    ['denied', 'iot:Connect', 'client/device01'],
    ['allowed', 'iot:Publish', `topic/courier/${THING}/inbox/result`],
    ['allowed', 'iot:Publish', `topic/courier/${THING}/self`],
    ['allowed', 'iot:Subscribe', `topicfilter/courier/${THING}/self`],
    ['allowed', 'iot:Subscribe', `topicfilter/courier/${THING}/inbox/pull`],
    ['allowed', 'iot:Receive', `topic/courier/${THING}/inbox/pull`],
    ['denied', 'iot:Subscribe', 'topicfilter/courier/+/inbox/pull'],
    ['denied', 'iot:Publish', 'topic/courier/device01/inbox/pull'],
    ['allowed', 'iot:Publish', `topic/${jobs}/start-next`],
    ['allowed', 'iot:Publish', `topic/${jobs}/7/update`],
    ['allowed', 'iot:Subscribe', `topicfilter/${jobs}/notify-next`],
    ['allowed', 'iot:Receive', `topic/${jobs}/notify-next`],
    ['denied', 'iot:Publish', 'topic/$aws/things/device01/jobs/7/update'],
    ['denied', 'iot:Publish', `topic/$aws/things/${THING}/shadow/get`],
    ['allowed', 'iot:Publish', `topic/${THING}/token/req`],
    ['allowed', 'iot:Subscribe', `topicfilter/${THING}/token/res`],
    ['allowed', 'iot:Receive', `topic/${THING}/token/res`],
    ['denied', 'iot:Publish', `topic/${THING}/token/res`],
    ['denied', 'iot:Publish', 'topic/device01/token/req'],
    ['denied', 'iot:Receive', 'topic/device01/token/res'],
  ];
  const decide = (stack: Stack, action: string, resource: string, variables: Record<string, string>): string =>
    judge([resourcesOf(stack).ThingPolicy.Properties.PolicyDocument], action, iot(resource), variables);

  it.each(CALLS)('is %s %s on %s', (expected, action, resource) => {
    expect(decide(ALL, action, resource, connected)).toBe(expected);
  });

  it('may nothing but ask for credentials where its connection is not of a thing', () => {
    const allowed = CALLS.filter(([, action, resource]) => decide(ALL, action, resource, {}) === 'allowed');
    expect(allowed).toEqual([['allowed', 'iot:AssumeRoleWithCertificate', 'rolealias/courier']]);
  });

  it('asks for tokens only where somebody answers', () => {
    const topics = CALLS.filter(
      ([, action, resource]) => resource.includes('token/') && decide({}, action, resource, connected) === 'allowed',
    );
    expect(topics).toEqual([]);
  });
});
