import { ACCOUNT } from './resolve-template';

const KEY = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/11111111-2222-3333-4444-555555555555`;
export const EVERYTHING = {
  BucketName: 'fleet-bucket',
  KmsKeyArn: KEY,
  Versioning: 'true',
  ArchiveDays: '7',
  AbandonedUploadDays: '90',
  RoleAliasName: 'fleet',
  CredentialSeconds: '7200',
  TokenVendor: 'true',
  TokenExchangeRole: 'GreengrassRole',
};
const thing = (variable: string): string => `\${${variable}}`;
export const THING = thing('credentials-iot:ThingName');
const CONNECTED = thing('iot:Connection.Thing.ThingName');

export const CODE = { tokenVendor: 'token vendor', inboxNotifier: 'inbox notifier' };

export const allow = (Action: string | string[], Resource: string, more: object = {}): object => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...more,
});
export const document = (...Statement: object[]): object => ({ Version: '2012-10-17', Statement });
const trust = (Principal: object, more: object = {}): object =>
  document({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole', ...more });
export const iot = (resource: string): string => `arn:aws:iot:eu-central-1:${ACCOUNT}:${resource}`;
const lambda = (name: string): string => `arn:aws:lambda:eu-central-1:${ACCOUNT}:function:${name}`;
export const role = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`;
const use = (...actions: string[]): object => allow(actions, KEY);

export const OWN_FOLDER = [
  's3:PutObject',
  's3:GetObject',
  's3:GetObjectVersion',
  's3:DeleteObject',
  's3:DeleteObjectVersion',
  's3:ListMultipartUploadParts',
  's3:AbortMultipartUpload',
  's3:GetObjectTagging',
  's3:PutObjectTagging',
];
export const list = (bucket: string, ...more: string[]): object =>
  allow('s3:ListBucket', `arn:aws:s3:::${bucket}`, {
    Condition: { StringLike: { 's3:prefix': [`${THING}/*`, ...more] } },
  });
const DEVICE_POLICY = document(
  list('fleet-bucket', `.archive/${THING}/*`),
  allow(OWN_FOLDER, `arn:aws:s3:::fleet-bucket/${THING}/*`),
  allow(
    ['s3:PutObject', 's3:GetObject', 's3:AbortMultipartUpload', 's3:PutObjectTagging'],
    `arn:aws:s3:::fleet-bucket/.archive/${THING}/*`,
  ),
  use('kms:GenerateDataKey', 'kms:Decrypt'),
);

const accountFunction = (name: string, code: string, variables: object, ...statements: object[]): object => ({
  [`${name}Log`]: { RetentionInDays: 30 },
  [`${name}Role`]: { AssumeRolePolicyDocument: trust({ Service: 'lambda.amazonaws.com' }) },
  [`${name}Policy`]: {
    PolicyName: 'function',
    Roles: [`${name}Role`.toLowerCase()],
    PolicyDocument: document(
      allow(
        ['logs:CreateLogStream', 'logs:PutLogEvents'],
        `arn:aws:logs:eu-central-1:${ACCOUNT}:log-group:${name.toLowerCase()}log:*`,
      ),
      ...statements,
    ),
  },
  [`${name}Function`]: {
    Description: 'thing-courier, courier',
    Runtime: 'nodejs22.x',
    Handler: 'index.handler',
    Role: role(`${name}Role`.toLowerCase()),
    Code: { ZipFile: code },
    Environment: { Variables: variables },
    LoggingConfig: { LogGroup: `${name}Log`.toLowerCase() },
    MemorySize: 256,
    Timeout: 10,
  },
});

/** All that is made when everything is asked for, written out by hand. */
export const EXPECTED: Readonly<Record<string, object>> = {
  Bucket: {
    BucketName: 'fleet-bucket',
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    },
    OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [
        {
          BucketKeyEnabled: true,
          ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: KEY },
        },
      ],
    },
    NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    VersioningConfiguration: { Status: 'Enabled' },
    LifecycleConfiguration: {
      Rules: [
        {
          Id: 'abandoned-uploads',
          Status: 'Enabled',
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: '90' },
        },
        {
          Id: 'archive',
          Status: 'Enabled',
          Prefix: '.archive/',
          ExpirationInDays: '7',
          NoncurrentVersionExpiration: { NoncurrentDays: '7' },
        },
      ],
    },
  },
  BucketPolicy: {
    Bucket: 'fleet-bucket',
    PolicyDocument: document({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*',
      Resource: ['arn:aws:s3:::fleet-bucket', 'arn:aws:s3:::fleet-bucket/*'],
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    }),
  },
  DeviceRole: {
    AssumeRolePolicyDocument: trust({ Service: 'credentials.iot.amazonaws.com' }),
    MaxSessionDuration: '7200',
    Policies: [{ PolicyName: 'own-folder', PolicyDocument: DEVICE_POLICY }],
  },
  RoleAlias: { RoleAlias: 'fleet', RoleArn: role('devicerole'), CredentialDurationSeconds: '7200' },
  ThingPolicy: {
    PolicyName: 'courier-thing',
    PolicyDocument: document(
      allow('iot:AssumeRoleWithCertificate', iot('rolealias/fleet')),
      allow('iot:Connect', iot(`client/${CONNECTED}`)),
      allow(['iot:Publish', 'iot:Receive'], iot(`topic/courier/${CONNECTED}/*`)),
      allow('iot:Subscribe', iot(`topicfilter/courier/${CONNECTED}/*`)),
      allow(['iot:Publish', 'iot:Receive'], iot(`topic/$aws/things/${CONNECTED}/jobs/*`)),
      allow('iot:Subscribe', iot(`topicfilter/$aws/things/${CONNECTED}/jobs/*`)),
      allow('iot:Publish', iot(`topic/${CONNECTED}/token/req`)),
      allow('iot:Receive', iot(`topic/${CONNECTED}/token/res`)),
      allow('iot:Subscribe', iot(`topicfilter/${CONNECTED}/token/res`)),
    ),
  },
  CoreDevicePolicy: {
    Description: 'What thing-courier needs on Greengrass core devices.',
    Roles: ['GreengrassRole'],
    PolicyDocument: DEVICE_POLICY,
  },
  JobsRole: {
    AssumeRolePolicyDocument: trust(
      { Service: 'iot.amazonaws.com' },
      {
        Condition: {
          StringEquals: { 'aws:SourceAccount': ACCOUNT },
          ArnLike: { 'aws:SourceArn': iot('*') },
        },
      },
    ),
    Policies: [
      {
        PolicyName: 'sign',
        PolicyDocument: document(
          allow('s3:GetObject', 'arn:aws:s3:::fleet-bucket/*'),
          allow('s3:ListBucket', 'arn:aws:s3:::fleet-bucket'),
          use('kms:Decrypt'),
        ),
      },
    ],
  },
  ...accountFunction('InboxNotifier', CODE.inboxNotifier, {}, allow('iot:Publish', iot('topic/courier/*/inbox/pull'))),
  InboxNotifierRule: {
    Description: 'Objects are put into inboxes of things.',
    State: 'ENABLED',
    EventPattern: {
      source: ['aws.s3'],
      'detail-type': ['Object Created'],
      detail: { bucket: { name: ['fleet-bucket'] }, object: { key: [{ wildcard: '*/inbox/*' }] } },
    },
    Targets: [{ Id: 'notifier', Arn: lambda('inboxnotifierfunction') }],
  },
  InboxNotifierPermission: {
    Action: 'lambda:InvokeFunction',
    FunctionName: 'inboxnotifierfunction',
    Principal: 'events.amazonaws.com',
    SourceArn: `arn:aws:events:eu-central-1:${ACCOUNT}:rule/inboxnotifierrule`,
  },
  TokenRole: {
    AssumeRolePolicyDocument: trust({ AWS: role('tokenvendorrole') }),
    Policies: [
      {
        PolicyName: 'put',
        PolicyDocument: document(
          allow('s3:PutObject', 'arn:aws:s3:::fleet-bucket/*'),
          use('kms:GenerateDataKey', 'kms:Decrypt'),
        ),
      },
    ],
  },
  ...accountFunction(
    'TokenVendor',
    CODE.tokenVendor,
    { BUCKET: 'fleet-bucket', ROLE_ARN: role('tokenrole'), KMS_KEY_ARN: KEY },
    allow('sts:AssumeRole', role('tokenrole')),
    allow('iot:Publish', iot('topic/*/token/res')),
  ),
  TokenVendorRule: {
    TopicRulePayload: {
      Description: 'Things ask for credentials.',
      AwsIotSqlVersion: '2016-03-23',
      Sql: "SELECT topic(1) AS name, requestId FROM '+/token/req'",
      RuleDisabled: false,
      Actions: [{ Lambda: { FunctionArn: lambda('tokenvendorfunction') } }],
    },
  },
  TokenVendorPermission: {
    Action: 'lambda:InvokeFunction',
    FunctionName: 'tokenvendorfunction',
    Principal: 'iot.amazonaws.com',
    SourceAccount: ACCOUNT,
    SourceArn: iot('rule/tokenvendorrule'),
  },
};
