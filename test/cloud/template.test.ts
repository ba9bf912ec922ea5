import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { bundleFunctions } from '../../src/build/bundle-functions';
import {
  MAX_TEMPLATE_BYTES,
  makeTemplate,
  renderTemplate,
  type Template,
} from '../../src/cloud/template/make-template';
import { findProgram } from '../engines/find-program';
import { itWhere } from '../support/needs';
import { ACCOUNT, type Resolved, resolveTemplate } from './resolve-template';

const KEY = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/11111111-2222-3333-4444-555555555555`;
const EVERYTHING = {
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
const NOTHING = {
  ExistingBucket: 'old-bucket',
  DirectMqtt: 'false',
  Jobs: 'false',
  InboxNotifier: 'false',
};
const thing = (variable: string): string => `\${${variable}}`;
const THING = thing('credentials-iot:ThingName');
const CONNECTED = thing('iot:Connection.Thing.ThingName');

let template: Template;
let text: string;
const CODE = { tokenVendor: 'token vendor', inboxNotifier: 'inbox notifier' };

beforeAll(async () => {
  template = makeTemplate(await bundleFunctions());
  text = renderTemplate(template);
});

const allow = (Action: string | string[], Resource: string, more: object = {}): object => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...more,
});
const document = (...Statement: object[]): object => ({ Version: '2012-10-17', Statement });
const trust = (Principal: object, more: object = {}): object =>
  document({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole', ...more });
const iot = (resource: string): string => `arn:aws:iot:eu-central-1:${ACCOUNT}:${resource}`;
const lambda = (name: string): string => `arn:aws:lambda:eu-central-1:${ACCOUNT}:function:${name}`;
const role = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`;
const use = (...actions: string[]): object => allow(actions, KEY);

const OWN_FOLDER = [
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
const list = (bucket: string): object =>
  allow('s3:ListBucket', `arn:aws:s3:::${bucket}`, { Condition: { StringLike: { 's3:prefix': `${THING}/*` } } });
const DEVICE_POLICY = document(
  list('fleet-bucket'),
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

const EXPECTED: Record<string, object> = {
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

const propertiesOf = (resources: Record<string, Resolved>): Record<string, object> =>
  Object.fromEntries(Object.entries(resources).map(([name, { Properties }]) => [name, Properties]));

describe('the template', () => {
  it('makes exactly these resources when everything is asked for', () => {
    const { resources, outputs } = resolveTemplate(makeTemplate(CODE), { parameters: EVERYTHING });
    expect(propertiesOf(resources)).toEqual(EXPECTED);
    expect(outputs).toEqual({
      BucketName: 'fleet-bucket',
      RoleAliasName: 'fleet',
      ThingPolicyName: 'thingpolicy',
      ArchivePrefix: '.archive/{thing}/',
      JobsRoleArn: role('jobsrole'),
      Mqtt: 'true',
      Tokens: 'true',
    });
  });

  it('of itself makes a bucket encrypted by S3, without versions, that keeps its archive', () => {
    const { resources, outputs } = resolveTemplate(template);
    expect(Object.keys(resources).sort()).toEqual([
      'Bucket',
      'BucketPolicy',
      'DeviceRole',
      'InboxNotifierFunction',
      'InboxNotifierLog',
      'InboxNotifierPermission',
      'InboxNotifierPolicy',
      'InboxNotifierRole',
      'InboxNotifierRule',
      'JobsRole',
      'RoleAlias',
      'ThingPolicy',
    ]);
    const { BucketName, VersioningConfiguration, BucketEncryption, LifecycleConfiguration } =
      resources.Bucket.Properties;
    expect({ BucketName, VersioningConfiguration }).toEqual({});
    expect(BucketEncryption).toEqual({
      ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
    });
    expect(LifecycleConfiguration.Rules).toEqual([
      {
        Id: 'abandoned-uploads',
        Status: 'Enabled',
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: '60' },
      },
    ]);
    expect(resources.DeviceRole.Properties.Policies[0].PolicyDocument).toEqual(
      document(list('bucket'), allow(OWN_FOLDER, `arn:aws:s3:::bucket/${THING}/*`)),
    );
    expect(outputs).toMatchObject({ ArchivePrefix: '{thing}/archive/', Mqtt: 'true', Tokens: 'false' });
  });

  it('keeps the bucket when the stack goes, or when another takes its place', () => {
    const kept = Object.entries(template.Resources).filter(([, { DeletionPolicy }]) => DeletionPolicy === 'Retain');
    expect(kept.map(([name, { UpdateReplacePolicy }]) => [name, UpdateReplacePolicy])).toEqual([['Bucket', 'Retain']]);
  });

  it('changes nothing of a bucket that is there, and leaves out what is switched off', () => {
    const { resources, outputs } = resolveTemplate(template, { parameters: NOTHING });
    expect(Object.keys(resources).sort()).toEqual(['DeviceRole', 'RoleAlias', 'ThingPolicy']);
    expect(resources.DeviceRole.Properties.Policies[0].PolicyDocument).toEqual(
      document(list('old-bucket'), allow(OWN_FOLDER, `arn:aws:s3:::old-bucket/${THING}/*`)),
    );
    expect(resources.ThingPolicy.Properties.PolicyDocument).toEqual(
      document(allow('iot:AssumeRoleWithCertificate', iot('rolealias/courier'))),
    );
    expect(outputs).toMatchObject({ BucketName: 'old-bucket', Mqtt: 'false' });
    expect(Object.keys(outputs)).not.toContain('JobsRoleArn');
  });

  it.each(['Jobs', 'TokenVendor'])('a thing that may not connect has no topics, whatever %s says', (name) => {
    const { resources } = resolveTemplate(template, { parameters: { DirectMqtt: 'false', [name]: 'true' } });
    expect(resources.ThingPolicy.Properties.PolicyDocument.Statement).toHaveLength(1);
  });

  it.each([
    ['aws-cn', 'cn-north-1'],
    ['aws-us-gov', 'us-gov-west-1'],
  ])('has no ARN of another partition in %s', (partition, region) => {
    const { KmsKeyArn: _, ...parameters } = EVERYTHING;
    const { resources } = resolveTemplate(template, { parameters, partition, region });
    const arns = JSON.stringify(resources).match(/arn:[a-z$][a-z-]*/g)!;
    expect(arns.length).toBeGreaterThan(30);
    // The function takes its own from the role that it is given.
    expect([...new Set(arns)].filter((one) => one !== 'arn:$')).toEqual([`arn:${partition}`]);
  });

  it('has an IoT policy that AWS IoT takes, under the longest names', () => {
    const { resources } = resolveTemplate(template, {
      parameters: { ...EVERYTHING, RoleAliasName: 'x'.repeat(128) },
      partition: 'aws-us-gov',
      region: 'ap-southeast-1',
    });
    // 2,048 characters, white space apart.
    expect(JSON.stringify(resources.ThingPolicy.Properties.PolicyDocument).length).toBeLessThanOrEqual(2_048);
  });

  it('fits into a request, and its functions into it', () => {
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_TEMPLATE_BYTES);
    for (const name of ['TokenVendorFunction', 'InboxNotifierFunction']) {
      const { ZipFile } = template.Resources[name]!.Properties.Code as { ZipFile: string };
      expect(ZipFile).toContain('handler');
      expect(ZipFile.length).toBeLessThanOrEqual(4_096);
      expect([...new Set(ZipFile.match(/require\("[^"]+"\)/g))].sort()).toEqual(
        [
          'require("@aws-sdk/client-iot-data-plane")',
          ...(name.startsWith('Token') ? ['require("@aws-sdk/client-sts")', 'require("node:crypto")'] : []),
        ].sort(),
      );
    }
  });

  it('is read by YAML 1.1 as what it was, and has no aliases', () => {
    expect(parse(text, { version: '1.1', maxAliasCount: 0 })).toEqual(JSON.parse(JSON.stringify(template)));
  });

  it('asks for no right to name roles', () => {
    const named = Object.entries(template.Resources).filter(([, { Properties }]) =>
      ['RoleName', 'ManagedPolicyName', 'UserName'].some((name) => name in Properties),
    );
    expect(named).toEqual([]);
  });

  itWhere(
    findProgram('cfn-lint') === undefined ? 'skipped: cfn-lint is not installed' : undefined,
    'is what cfn-lint takes, in all partitions',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'template-'));
      try {
        const file = join(dir, 'template.yaml');
        writeFileSync(file, text);
        const regions = ['eu-central-1', 'cn-north-1', 'us-gov-west-1'];
        const { stdout } = await promisify(execFile)('cfn-lint', ['--template', file, '--regions', ...regions]);
        expect(stdout).toBe('');
      } finally {
        rmSync(dir, { recursive: true });
      }
    },
  );
});
