import { createHash } from 'node:crypto';
import { PutBucketNotificationConfigurationCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { strToU8, zipSync } from 'fflate';
import type { ApiAnswer } from './account-api';
import { BUCKET_POLICY, BUCKET_PROPERTIES } from './bucket-properties';
import { type Account, LOOK_UP } from './look-up';
import type { Resolved } from './resolve-template';

export interface Fed {
  readonly name: string;
  /** All properties of the resource. */
  readonly resolved: Resolved;
  /** Physical names, by logical ones. */
  readonly names: Readonly<Record<string, string>>;
}

/** @returns the property, as it is read back */
type Feed = (account: Account, fed: Fed) => Promise<unknown>;

/** How the API of a service takes a property that CloudFormation would have handed to it. */
export const FEED: Readonly<Record<string, Feed>> = {
  ...Object.fromEntries(
    Object.entries(BUCKET_PROPERTIES).map(([property, { feed, read }]): [string, Feed] => [
      `AWS::S3::Bucket.${property}`,
      async ({ s3 }, { name, resolved }) => {
        await feed(s3, name, resolved[property]);
        return read(s3, name);
      },
    ]),
  ),
  /** Which is not told, but does something: objects become events, and the stack's rule picks those of inboxes. */
  'AWS::S3::Bucket.NotificationConfiguration': async ({ api, s3 }, { name: Bucket, names, resolved }) => {
    const Rule = names.InboxNotifierRule;
    // In the place of the function, which moto would run in a container.
    const logGroupName = names.InboxNotifierLog!;
    await api.ask('events', 'RemoveTargets', { Rule, Ids: ['notifier'] });
    const Arn = `arn:aws:logs:${api.region}:123456789012:log-group:${logGroupName}`;
    await api.ask('events', 'PutTargets', { Rule, Targets: [{ Id: 'log', Arn }] });
    await s3.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket,
        NotificationConfiguration: { EventBridgeConfiguration: {} },
      }),
    );
    const put = ['device00/outbox/a.txt', 'device00/inbox/a b+ü.txt', 'inbox/a.txt', 'device00/inbox/deep/b.txt'];
    for (const Key of put) await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
    const { events } = await api.ask('logs', 'FilterLogEvents', { logGroupName });
    const keys = events.map(({ message }: ApiAnswer) => JSON.parse(message).detail.object.key).sort();
    const isRight = JSON.stringify(keys) === JSON.stringify([put[1], put[3]].sort());
    return isRight ? resolved.NotificationConfiguration : { keys };
  },
  'AWS::S3::BucketPolicy.Bucket': async (...fed) => (await putPolicy(...fed)).Bucket,
  'AWS::S3::BucketPolicy.PolicyDocument': async (...fed) => (await putPolicy(...fed)).PolicyDocument,
  'AWS::IoT::TopicRule.TopicRulePayload': async (account, { name, resolved }) => {
    const { Description, AwsIotSqlVersion, Sql, RuleDisabled, Actions } = resolved.TopicRulePayload;
    await account.api.rest('iot', 'POST', `/rules/${name}`, {
      description: Description,
      awsIotSqlVersion: AwsIotSqlVersion,
      sql: Sql,
      ruleDisabled: RuleDisabled,
      actions: Actions.map(({ Lambda }: Resolved) => ({ lambda: { functionArn: Lambda.FunctionArn } })),
    });
    return (await LOOK_UP['AWS::IoT::TopicRule']!(account, name, resolved)).TopicRulePayload;
  },
  /** As CloudFormation does with `ZipFile`. */
  'AWS::Lambda::Function.Code': async ({ api }, { name, resolved: { Code } }) => {
    const zip = zipSync({ 'index.js': strToU8(Code.ZipFile) });
    const body = { ZipFile: Buffer.from(zip).toString('base64') };
    const { CodeSha256 } = await api.rest('lambda', 'PUT', `/2015-03-31/functions/${name}/code`, body);
    return CodeSha256 === createHash('sha256').update(zip).digest('base64') ? Code : { CodeSha256 };
  },
};

async function putPolicy(account: Account, { name, resolved }: Fed) {
  await BUCKET_POLICY.feed(account.s3, resolved.Bucket, resolved.PolicyDocument);
  return LOOK_UP['AWS::S3::BucketPolicy']!(account, name, resolved);
}
