import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
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
import { allow, CODE, document, EVERYTHING, EXPECTED, iot, list, OWN_FOLDER, role, THING } from './expected-resources';
import { type Resolved, resolveTemplate } from './resolve-template';

const NOTHING = {
  ExistingBucket: 'old-bucket',
  DirectMqtt: 'false',
  Jobs: 'false',
  InboxNotifier: 'false',
};
let template: Template;
let text: string;

beforeAll(async () => {
  template = makeTemplate(await bundleFunctions());
  text = renderTemplate(template);
});

const propertiesOf = (resources: Record<string, Resolved>): Record<string, object> =>
  Object.fromEntries(Object.entries(resources).map(([name, { Properties }]) => [name, Properties]));

describe('the template', () => {
  it('makes exactly these resources when everything is asked for', () => {
    const { resources, outputs } = resolveTemplate(makeTemplate(CODE), { parameters: EVERYTHING });
    expect(propertiesOf(resources)).toEqual(EXPECTED);
    expect(outputs).toEqual({
      BucketName: 'fleet-bucket',
      RoleAliasName: 'fleet',
      ThingPolicyName: 'courier-thing',
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

  it('has the parameters that README.md tells of, with their defaults', () => {
    const readme = readFileSync(resolve(__dirname, '../../README.md'), 'utf8');
    const [, table = ''] = /### Set up the account\n(.*?)\n### /s.exec(readme)!;
    const told = [...table.matchAll(/^\| (`[^|]*) \|([^|]*)\|/gm)].flatMap(([, names, defaults]) => {
      const values = defaults!.split(', ').map((value) => value.replaceAll('`', '').trim());
      return names!.split(', ').map((name, i) => [name.replaceAll('`', ''), values[i]]);
    });
    expect(told).toEqual(
      Object.entries(template.Parameters).map(([name, value]) => [
        name,
        String((value as { Default: unknown }).Default),
      ]),
    );
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
