import { accountFunction } from './account-function';
import { BUCKET, objects, useOfKey } from './bucket';
import { arn, attribute, choose, type Resources, ref } from './intrinsics';
import { allow, policyDocument, trust } from './policy';

const CONDITION = 'VendsTokens';

/** Credentials by MQTT: rule → function → role, which may put objects of any thing; a session policy leaves one thing's folder. */
export const tokenVendorResources = (code: string): Resources => ({
  TokenRole: {
    Type: 'AWS::IAM::Role',
    Condition: CONDITION,
    Properties: {
      AssumeRolePolicyDocument: trust({ AWS: attribute('TokenVendorRole', 'Arn') }),
      Policies: [
        {
          PolicyName: 'put',
          PolicyDocument: policyDocument(
            allow('s3:PutObject', objects('*')),
            useOfKey('kms:GenerateDataKey', 'kms:Decrypt'),
          ),
        },
      ],
    },
  },
  ...accountFunction({
    name: 'TokenVendor',
    condition: CONDITION,
    code,
    environment: {
      BUCKET,
      ROLE_ARN: attribute('TokenRole', 'Arn'),
      KMS_KEY_ARN: choose('Encrypts', ref('KmsKeyArn')),
    },
    statements: [
      allow('sts:AssumeRole', attribute('TokenRole', 'Arn')),
      allow('iot:Publish', arn('iot', 'topic/*/token/res')),
    ],
  }),
  TokenVendorRule: {
    Type: 'AWS::IoT::TopicRule',
    Condition: CONDITION,
    Properties: {
      TopicRulePayload: {
        Description: 'Things ask for credentials.',
        AwsIotSqlVersion: '2016-03-23',
        Sql: "SELECT topic(1) AS name, requestId FROM '+/token/req'",
        RuleDisabled: false,
        Actions: [{ Lambda: { FunctionArn: attribute('TokenVendorFunction', 'Arn') } }],
      },
    },
  },
  TokenVendorPermission: {
    Type: 'AWS::Lambda::Permission',
    Condition: CONDITION,
    Properties: {
      Action: 'lambda:InvokeFunction',
      FunctionName: ref('TokenVendorFunction'),
      Principal: 'iot.amazonaws.com',
      SourceAccount: ref('AWS::AccountId'),
      SourceArn: attribute('TokenVendorRule', 'Arn'),
    },
  },
});
