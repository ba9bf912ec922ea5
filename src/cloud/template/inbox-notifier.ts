import { accountFunction } from './account-function';
import { BUCKET } from './bucket';
import { arn, attribute, type Resources, ref } from './intrinsics';
import { allow } from './policy';

const CONDITION = 'NotifiesInbox';

/**
 * What is put into an inbox is told to its thing. By EventBridge: S3's own notifications know one literal prefix, and bucket
 * and permission would need each other.
 */
export const inboxNotifierResources = (code: string): Resources => ({
  ...accountFunction({
    name: 'InboxNotifier',
    condition: CONDITION,
    code,
    environment: {},
    statements: [allow('iot:Publish', arn('iot', 'topic/courier/*/inbox/pull'))],
  }),
  InboxNotifierRule: {
    Type: 'AWS::Events::Rule',
    Condition: CONDITION,
    Properties: {
      Description: 'Objects are put into inboxes of things.',
      State: 'ENABLED',
      EventPattern: {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: { bucket: { name: [BUCKET] }, object: { key: [{ wildcard: '*/inbox/*' }] } },
      },
      Targets: [{ Id: 'notifier', Arn: attribute('InboxNotifierFunction', 'Arn') }],
    },
  },
  InboxNotifierPermission: {
    Type: 'AWS::Lambda::Permission',
    Condition: CONDITION,
    Properties: {
      Action: 'lambda:InvokeFunction',
      FunctionName: ref('InboxNotifierFunction'),
      Principal: 'events.amazonaws.com',
      SourceArn: attribute('InboxNotifierRule', 'Arn'),
    },
  },
});
