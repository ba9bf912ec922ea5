import { ref, type Value } from './intrinsics';

const onOff = (Description: string, Default: 'true' | 'false'): Value => ({
  Type: 'String',
  AllowedValues: ['true', 'false'],
  Default,
  Description,
});
const text = (Description: string, AllowedPattern: string, Default = ''): Value => ({
  Type: 'String',
  Default,
  AllowedPattern,
  Description,
});
const days = (Description: string, Default: number, MinValue: number): Value => ({
  Type: 'Number',
  Default: String(Default), // as text: conditions compare texts
  MinValue,
  MaxValue: 3_650,
  Description,
});

const BUCKET_NAME = '^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$';

export const PARAMETERS = {
  BucketName: text('Name of the bucket that is made. Empty - CloudFormation finds one.', BUCKET_NAME),
  ExistingBucket: text(
    'A bucket that is there already, instead of a new one. Nothing of it is changed - EventBridge, encryption and lifecycle are yours to set.',
    BUCKET_NAME,
  ),
  KmsKeyArn: text(
    'Encrypt with this KMS key. Empty - with a key of S3.',
    '^$|^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+$',
  ),
  Versioning: onOff('Keep former versions of objects.', 'false'),
  ArchiveDays: days(
    'What has come down is removed from the archive after so many days. 0 - never. Otherwise the archive lies below .archive/ and things need inbox.archivePrefix .archive/{thing}/',
    0,
    0,
  ),
  AbandonedUploadDays: days(
    'Parts of an upload that was never completed are removed after so many days. Longer than a device may be offline.',
    60,
    8,
  ),
  RoleAliasName: text('Name of the role alias.', '^[a-zA-Z0-9_=,@-]{1,128}$', 'courier'),
  CredentialSeconds: {
    Type: 'Number',
    Default: '3600',
    MinValue: 3_600,
    MaxValue: 43_200,
    Description: 'How long credentials of the role alias are good for.',
  },
  DirectMqtt: onOff('Things may connect to AWS IoT themselves, for their own topics.', 'true'),
  Jobs: onOff('Files by IoT Jobs - things may take them, and a role signs their URLs.', 'true'),
  InboxNotifier: onOff('What is put below <thing>/inbox/ is told to the thing.', 'true'),
  TokenVendor: onOff('Things may ask for credentials by MQTT.', 'false'),
  TokenExchangeRole: text(
    'Name of the token exchange role of Greengrass core devices, which is to have what things have. Empty - none.',
    '^$|^[a-zA-Z0-9_+=,.@-]{1,64}$',
  ),
} satisfies Record<string, Value>;

export type ParameterName = keyof typeof PARAMETERS;

const parameter = (name: ParameterName): Value => ref(name);
const is = (name: ParameterName, value: string): Value => ({ 'Fn::Equals': [parameter(name), value] });
const not = (condition: Value): Value => ({ 'Fn::Not': [condition] });
const and = (...conditions: readonly Value[]): Value => ({ 'Fn::And': conditions });

export const CONDITIONS = {
  MakesBucket: is('ExistingBucket', ''),
  NamesBucket: not(is('BucketName', '')),
  Encrypts: not(is('KmsKeyArn', '')),
  KeepsVersions: is('Versioning', 'true'),
  ExpiresArchive: not(is('ArchiveDays', '0')),
  SpeaksMqtt: is('DirectMqtt', 'true'),
  TakesJobs: is('Jobs', 'true'),
  TakesJobsDirectly: and({ Condition: 'SpeaksMqtt' }, { Condition: 'TakesJobs' }),
  AsksForTokens: and({ Condition: 'SpeaksMqtt' }, { Condition: 'VendsTokens' }),
  NotifiesInbox: is('InboxNotifier', 'true'),
  VendsTokens: is('TokenVendor', 'true'),
  ServesCoreDevices: not(is('TokenExchangeRole', '')),
} satisfies Record<string, Value>;
