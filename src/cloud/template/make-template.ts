import { stringify } from 'yaml';
import { BUCKET, BUCKET_RESOURCES } from './bucket';
import { DEVICE_ACCESS_RESOURCES, THING_POLICY_NAME } from './device-access';
import { inboxNotifierResources } from './inbox-notifier';
import { attribute, choose, type Resources, ref, type Value } from './intrinsics';
import { JOBS_ROLE_RESOURCES } from './jobs-role';
import { CONDITIONS, PARAMETERS } from './parameters';
import { tokenVendorResources } from './token-vendor';

/** CommonJS of what runs in the account; each exports `handler`. */
export interface FunctionCode {
  readonly tokenVendor: string;
  readonly inboxNotifier: string;
}

interface Output {
  readonly Description: string;
  readonly Condition?: string;
  readonly Value: Value;
}

export interface Template {
  readonly AWSTemplateFormatVersion: '2010-09-09';
  readonly Description: string;
  readonly Parameters: Readonly<Record<string, Value>>;
  readonly Conditions: Readonly<Record<string, Value>>;
  readonly Resources: Resources;
  readonly Outputs: Readonly<Record<string, Output>>;
}

/** CloudFormation takes so many bytes without a bucket to put the template into. */
export const MAX_TEMPLATE_BYTES = 51_200;

/** The account's side: all of it, switched by parameters. No name is given that need not be: CAPABILITY_IAM suffices. */
export const makeTemplate = ({ tokenVendor, inboxNotifier }: FunctionCode): Template => ({
  AWSTemplateFormatVersion: '2010-09-09',
  Description: 'thing-courier: files between things and one bucket',
  Parameters: PARAMETERS,
  Conditions: CONDITIONS,
  Resources: {
    ...BUCKET_RESOURCES,
    ...DEVICE_ACCESS_RESOURCES,
    ...JOBS_ROLE_RESOURCES,
    ...inboxNotifierResources(inboxNotifier),
    ...tokenVendorResources(tokenVendor),
  },
  Outputs: {
    BucketName: { Description: 's3.bucket', Value: BUCKET },
    RoleAliasName: { Description: 'credentials.roleAlias.alias', Value: ref('RoleAliasName') },
    ThingPolicyName: { Description: 'IoT policy to attach to certificates of things', Value: THING_POLICY_NAME },
    ArchivePrefix: {
      Description: 'inbox.archivePrefix',
      Value: choose('ExpiresArchive', '.archive/{thing}/', '{thing}/archive/'),
    },
    JobsRoleArn: {
      Description: 'presignedUrlConfig.roleArn of jobs',
      Condition: 'TakesJobs',
      Value: attribute('JobsRole', 'Arn'),
    },
    Mqtt: { Description: 'Things may connect to AWS IoT', Value: ref('DirectMqtt') },
    Tokens: { Description: 'Things may ask for credentials by MQTT', Value: ref('TokenVendor') },
  },
});

/** CloudFormation reads YAML 1.1, where `2012-10-17` is a date and `on` is true, and knows no aliases. */
export const renderTemplate = (template: Template): string =>
  stringify(template, { version: '1.1', aliasDuplicateObjects: false, lineWidth: 0 });
