import { bucketArn, objects, useOfKey } from './bucket';
import { arn, type Resources, ref } from './intrinsics';
import { allow, policyDocument, trust } from './policy';

/** AWS IoT signs the URLs of job documents by it, for things of this account and region alone. */
export const JOBS_ROLE_RESOURCES: Resources = {
  JobsRole: {
    Type: 'AWS::IAM::Role',
    Condition: 'TakesJobs',
    Properties: {
      AssumeRolePolicyDocument: trust(
        { Service: 'iot.amazonaws.com' },
        {
          StringEquals: { 'aws:SourceAccount': ref('AWS::AccountId') },
          ArnLike: { 'aws:SourceArn': arn('iot', '*') },
        },
      ),
      Policies: [
        {
          PolicyName: 'sign',
          PolicyDocument: policyDocument(
            allow('s3:GetObject', objects('*')),
            allow('s3:ListBucket', bucketArn()),
            useOfKey('kms:Decrypt'),
          ),
        },
      ],
    },
  },
};
