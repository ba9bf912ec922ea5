import { choose, type Resources, ref, sub, type Value } from './intrinsics';
import { allow, policyDocument } from './policy';

/** The one that is made, or the one that was there. */
export const BUCKET = choose('MakesBucket', ref('Bucket'), ref('ExistingBucket'));

/** @param key may hold policy variables, as `${!…}` */
export const objects = (key: string): Value => sub(`arn:\${AWS::Partition}:s3:::\${Name}/${key}`, { Name: BUCKET });
export const bucketArn = (): Value => sub(`arn:\${AWS::Partition}:s3:::\${Name}`, { Name: BUCKET });

/** Where the bucket is encrypted with a KMS key, objects need these beside the rights to S3. */
export const useOfKey = (...actions: readonly string[]): Value => choose('Encrypts', allow(actions, ref('KmsKeyArn')));

const OWN_ARN = sub(`arn:\${AWS::Partition}:s3:::\${Bucket}`);

/** It outlives the stack: files of users lie in it. */
export const BUCKET_RESOURCES: Resources = {
  Bucket: {
    Type: 'AWS::S3::Bucket',
    Condition: 'MakesBucket',
    DeletionPolicy: 'Retain',
    UpdateReplacePolicy: 'Retain',
    Properties: {
      BucketName: choose('NamesBucket', ref('BucketName')),
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          choose(
            'Encrypts',
            {
              BucketKeyEnabled: true,
              ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: ref('KmsKeyArn') },
            },
            { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
          ),
        ],
      },
      NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
      VersioningConfiguration: choose('KeepsVersions', { Status: 'Enabled' }),
      LifecycleConfiguration: {
        Rules: [
          {
            Id: 'abandoned-uploads',
            Status: 'Enabled',
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: ref('AbandonedUploadDays') },
          },
          choose('ExpiresArchive', {
            Id: 'archive',
            Status: 'Enabled',
            Prefix: '.archive/',
            ExpirationInDays: ref('ArchiveDays'),
            NoncurrentVersionExpiration: choose('KeepsVersions', { NoncurrentDays: ref('ArchiveDays') }),
          }),
        ],
      },
    },
  },
  BucketPolicy: {
    Type: 'AWS::S3::BucketPolicy',
    Condition: 'MakesBucket',
    Properties: {
      Bucket: ref('Bucket'),
      PolicyDocument: policyDocument({
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:*',
        Resource: [OWN_ARN, sub(`arn:\${AWS::Partition}:s3:::\${Bucket}/*`)],
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    },
  },
};
