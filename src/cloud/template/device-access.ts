import { bucketArn, objects, useOfKey } from './bucket';
import { arn, attribute, choose, type Resources, ref, sub, type Value } from './intrinsics';
import { allow, policyDocument, trust } from './policy';

/** Filled in by IAM: in credentials of the credentials endpoint, the token exchange's included. */
const THING_VARIABLE = `\${credentials-iot:ThingName}`;
/** The same, where CloudFormation fills in what is its own. */
const THING = `\${!credentials-iot:ThingName}`;
/** Filled in by AWS IoT when the client id is the thing's name and the certificate is attached to it. */
const CONNECTED_THING = `\${!iot:Connection.Thing.ThingName}`;
const COURIER = `courier/${CONNECTED_THING}/*`;
const JOBS = `$aws/things/${CONNECTED_THING}/jobs/*`;

/** One folder per thing: what the how-to of that name grants, and what makes resuming, clearing up and tags possible. */
const OWN_FOLDER: Value = policyDocument(
  allow('s3:ListBucket', bucketArn(), {
    StringLike: {
      's3:prefix': [`${THING_VARIABLE}/*`, choose('ExpiresArchive', `.archive/${THING_VARIABLE}/*`)],
    },
  }),
  allow(
    [
      's3:PutObject',
      's3:GetObject',
      's3:GetObjectVersion',
      's3:DeleteObject',
      's3:DeleteObjectVersion',
      's3:ListMultipartUploadParts',
      's3:AbortMultipartUpload',
      's3:GetObjectTagging',
      's3:PutObjectTagging',
    ],
    objects(`${THING}/*`),
  ),
  // A lifecycle rule knows one literal prefix: an archive that expires lies outside of the things' folders. No name of a
  // thing has a dot, so none is its neighbour's folder. What archiving needs is there (listing tells
  // whether a name is free), and not to delete.
  choose(
    'ExpiresArchive',
    allow(
      ['s3:PutObject', 's3:GetObject', 's3:AbortMultipartUpload', 's3:PutObjectTagging'],
      objects(`.archive/${THING}/*`),
    ),
  ),
  useOfKey('kms:GenerateDataKey', 'kms:Decrypt'),
);

/** Named, so that it can be told by its name wherever it is asked for. */
export const THING_POLICY_NAME = sub(`\${AWS::StackName}-thing`);

export const DEVICE_ACCESS_RESOURCES: Resources = {
  DeviceRole: {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: trust({ Service: 'credentials.iot.amazonaws.com' }),
      MaxSessionDuration: ref('CredentialSeconds'),
      Policies: [{ PolicyName: 'own-folder', PolicyDocument: OWN_FOLDER }],
    },
  },
  RoleAlias: {
    Type: 'AWS::IoT::RoleAlias',
    Properties: {
      RoleAlias: ref('RoleAliasName'),
      RoleArn: attribute('DeviceRole', 'Arn'),
      CredentialDurationSeconds: ref('CredentialSeconds'),
    },
  },
  /** Of the certificates of things that are no Greengrass core devices. AWS IoT takes 2,048 characters. */
  ThingPolicy: {
    Type: 'AWS::IoT::Policy',
    Properties: {
      PolicyName: THING_POLICY_NAME,
      PolicyDocument: policyDocument(
        allow('iot:AssumeRoleWithCertificate', attribute('RoleAlias', 'RoleAliasArn')),
        choose('SpeaksMqtt', allow('iot:Connect', arn('iot', `client/${CONNECTED_THING}`))),
        choose('SpeaksMqtt', allow(['iot:Publish', 'iot:Receive'], arn('iot', `topic/${COURIER}`))),
        choose('SpeaksMqtt', allow('iot:Subscribe', arn('iot', `topicfilter/${COURIER}`))),
        choose('TakesJobsDirectly', allow(['iot:Publish', 'iot:Receive'], arn('iot', `topic/${JOBS}`))),
        choose('TakesJobsDirectly', allow('iot:Subscribe', arn('iot', `topicfilter/${JOBS}`))),
        choose('AsksForTokens', allow('iot:Publish', arn('iot', `topic/${CONNECTED_THING}/token/req`))),
        choose('AsksForTokens', allow('iot:Receive', arn('iot', `topic/${CONNECTED_THING}/token/res`))),
        choose('AsksForTokens', allow('iot:Subscribe', arn('iot', `topicfilter/${CONNECTED_THING}/token/res`))),
      ),
    },
  },
  CoreDevicePolicy: {
    Type: 'AWS::IAM::ManagedPolicy',
    Condition: 'ServesCoreDevices',
    Properties: {
      Description: 'What thing-courier needs on Greengrass core devices.',
      Roles: [ref('TokenExchangeRole')],
      PolicyDocument: OWN_FOLDER,
    },
  },
};
