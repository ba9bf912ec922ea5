import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  type LifecycleRule,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
  type ServerSideEncryptionRule,
} from '@aws-sdk/client-s3';
import type { Resolved } from './resolve-template';

export interface Property {
  /** In CloudFormation's words. */
  read(s3: S3Client, Bucket: string): Promise<unknown>;
  feed(s3: S3Client, Bucket: string, value: Resolved): Promise<unknown>;
}

/** Properties of a bucket, each by the calls of S3 that are about it. */
export const BUCKET_PROPERTIES: Readonly<Record<string, Property>> = {
  PublicAccessBlockConfiguration: {
    read: async (s3, Bucket) =>
      (await s3.send(new GetPublicAccessBlockCommand({ Bucket }))).PublicAccessBlockConfiguration,
    feed: (s3, Bucket, PublicAccessBlockConfiguration) =>
      s3.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration })),
  },
  OwnershipControls: {
    read: async (s3, Bucket) => (await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))).OwnershipControls,
    feed: (s3, Bucket, OwnershipControls) =>
      s3.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls })),
  },
  BucketEncryption: {
    read: async (s3, Bucket) => {
      const { ServerSideEncryptionConfiguration } = await s3.send(new GetBucketEncryptionCommand({ Bucket }));
      const rules = ServerSideEncryptionConfiguration!.Rules!.map(
        ({ ApplyServerSideEncryptionByDefault: ServerSideEncryptionByDefault, ...rule }) => ({
          ...rule,
          ServerSideEncryptionByDefault,
        }),
      );
      return { ServerSideEncryptionConfiguration: rules };
    },
    feed: (s3, Bucket, { ServerSideEncryptionConfiguration }) => {
      const Rules = ServerSideEncryptionConfiguration.map(
        ({ ServerSideEncryptionByDefault, ...rule }: Resolved): ServerSideEncryptionRule => ({
          ...rule,
          ApplyServerSideEncryptionByDefault: ServerSideEncryptionByDefault,
        }),
      );
      return s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }));
    },
  },
  VersioningConfiguration: {
    read: async (s3, Bucket) => {
      const { Status } = await s3.send(new GetBucketVersioningCommand({ Bucket }));
      return { Status };
    },
    feed: (s3, Bucket, VersioningConfiguration) =>
      s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration })),
  },
  LifecycleConfiguration: {
    read: async (s3, Bucket) => {
      const { Rules = [] } = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
      return {
        Rules: Rules.map(({ ID: Id, Filter, Expiration, ...rule }) => ({
          Id,
          ...(Filter?.Prefix ? { Prefix: Filter.Prefix } : {}),
          ...(Expiration === undefined ? {} : { ExpirationInDays: Expiration.Days }),
          ...rule,
        })),
      };
    },
    feed: (s3, Bucket, { Rules }) => {
      const rules = Rules.map(
        ({ Id: ID, Prefix = '', ExpirationInDays: Days, ...rule }: Resolved): LifecycleRule => ({
          ID,
          Filter: { Prefix },
          ...(Days === undefined ? {} : { Expiration: { Days } }),
          ...rule,
        }),
      );
      return s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: rules } }));
    },
  },
};

/** The resource beside it. */
export const BUCKET_POLICY: Property = {
  read: async (s3, Bucket) => JSON.parse((await s3.send(new GetBucketPolicyCommand({ Bucket }))).Policy!),
  feed: (s3, Bucket, document) => s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(document) })),
};
