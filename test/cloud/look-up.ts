import type { S3Client } from '@aws-sdk/client-s3';
import type { XmlElement } from '../local-cloud/s3/xml';
import { type AccountApi, type ApiAnswer, elementsOf, textOf } from './account-api';
import { BUCKET_POLICY, BUCKET_PROPERTIES } from './bucket-properties';

export interface Account {
  readonly api: AccountApi;
  readonly s3: S3Client;
}

type LookUp = (account: Account, name: string, resolved: ApiAnswer) => Promise<Readonly<Record<string, unknown>>>;

/** moto gives inline policies of a role back as Python writes them, unless they came as text. */
const documentOf = (text: string): unknown => JSON.parse(text.startsWith("{'") ? text.replaceAll("'", '"') : text);

const documentIn = (answer: XmlElement, name: string): unknown =>
  documentOf(decodeURIComponent(textOf(answer, name)!.replaceAll('+', '%20')));

const membersOf = (answer: XmlElement, list: string, name: string): string[] =>
  elementsOf(answer, list).flatMap((element) =>
    elementsOf(element, 'member').map((member) => (name === '' ? member.text : textOf(member, name)!)),
  );

async function rolePolicy({ api }: Account, RoleName: string, PolicyName: string): Promise<unknown> {
  return documentIn(await api.query('iam', 'GetRolePolicy', { RoleName, PolicyName }), 'PolicyDocument');
}

async function permissionsOf({ api }: Account, name: string): Promise<ApiAnswer[]> {
  const { Policy } = await api.rest('lambda', 'GET', `/2015-03-31/functions/${name}/policy`);
  return JSON.parse(Policy).Statement;
}

/** What is there, by the API of the service it belongs to, in CloudFormation's words: properties that are not there are left out. */
export const LOOK_UP: Readonly<Record<string, LookUp>> = {
  'AWS::S3::Bucket': async ({ s3 }, Bucket) => {
    const found: Record<string, unknown> = { BucketName: Bucket };
    for (const [name, { read }] of Object.entries(BUCKET_PROPERTIES)) {
      found[name] = await read(s3, Bucket).catch((error: Error) => absent(error));
    }
    return found;
  },
  'AWS::S3::BucketPolicy': async ({ s3 }, _, { Bucket }) => ({
    Bucket,
    PolicyDocument: await BUCKET_POLICY.read(s3, Bucket),
  }),
  'AWS::IAM::Role': async (account, RoleName) => {
    const role = await account.api.query('iam', 'GetRole', { RoleName });
    const names = membersOf(await account.api.query('iam', 'ListRolePolicies', { RoleName }), 'PolicyNames', '');
    const Policies = await Promise.all(
      names.map(async (PolicyName) => ({
        PolicyName,
        PolicyDocument: await rolePolicy(account, RoleName, PolicyName),
      })),
    );
    return {
      AssumeRolePolicyDocument: documentIn(role, 'AssumeRolePolicyDocument'),
      MaxSessionDuration: textOf(role, 'MaxSessionDuration'),
      Policies,
    };
  },
  'AWS::IAM::Policy': async (account, _, { PolicyName, Roles }) => ({
    PolicyName,
    Roles,
    PolicyDocument: await rolePolicy(account, Roles[0], PolicyName),
  }),
  'AWS::IAM::ManagedPolicy': async ({ api }, PolicyArn) => {
    const policy = await api.query('iam', 'GetPolicy', { PolicyArn });
    const VersionId = textOf(policy, 'DefaultVersionId')!;
    const version = await api.query('iam', 'GetPolicyVersion', { PolicyArn, VersionId });
    const entities = await api.query('iam', 'ListEntitiesForPolicy', { PolicyArn });
    return {
      Description: textOf(policy, 'Description'),
      Roles: membersOf(entities, 'PolicyRoles', 'RoleName'),
      PolicyDocument: documentIn(version, 'Document'),
    };
  },
  'AWS::IoT::RoleAlias': async ({ api }, name) => {
    const { roleAliasDescription } = await api.rest('iot', 'GET', `/role-aliases/${name}`);
    const { roleAlias: RoleAlias, roleArn: RoleArn, credentialDurationSeconds } = roleAliasDescription;
    return { RoleAlias, RoleArn, CredentialDurationSeconds: credentialDurationSeconds };
  },
  'AWS::IoT::Policy': async ({ api }, name) => {
    const { policyName: PolicyName, policyDocument } = await api.rest('iot', 'GET', `/policies/${name}`);
    return {
      PolicyName,
      PolicyDocument: typeof policyDocument === 'string' ? JSON.parse(policyDocument) : policyDocument,
    };
  },
  'AWS::IoT::TopicRule': async ({ api }, name) => {
    const { sql, description, awsIotSqlVersion, ruleDisabled, actions } = (
      await api.rest('iot', 'GET', `/rules/${name}`)
    ).rule;
    return {
      TopicRulePayload: {
        Description: description,
        AwsIotSqlVersion: awsIotSqlVersion,
        Sql: sql,
        RuleDisabled: ruleDisabled,
        Actions: actions.map(({ lambda }: ApiAnswer) => ({ Lambda: { FunctionArn: lambda.functionArn } })),
      },
    };
  },
  'AWS::Logs::LogGroup': async ({ api }, logGroupNamePrefix) => {
    const { logGroups } = await api.ask('logs', 'DescribeLogGroups', { logGroupNamePrefix });
    return { RetentionInDays: logGroups[0].retentionInDays };
  },
  'AWS::Lambda::Function': async ({ api }, name) => {
    const { Configuration } = await api.rest('lambda', 'GET', `/2015-03-31/functions/${name}`);
    return { Environment: { Variables: {} }, ...Configuration };
  },
  'AWS::Lambda::Permission': async (account, _, { FunctionName }) => {
    const [{ Action, Principal, Condition }] = await permissionsOf(account, FunctionName);
    return {
      Action,
      FunctionName,
      Principal: Principal.Service,
      SourceArn: Condition.ArnLike['AWS:SourceArn'],
      SourceAccount: Condition.StringEquals?.['AWS:SourceAccount'],
    };
  },
  'AWS::Events::Rule': async ({ api }, name) => {
    const { Description, State, EventPattern } = await api.ask('events', 'DescribeRule', { Name: name });
    const { Targets } = await api.ask('events', 'ListTargetsByRule', { Rule: name });
    return { Description, State, EventPattern: JSON.parse(EventPattern), Targets };
  },
};

/** What S3 says of a configuration that nobody has set. */
function absent(error: Error): undefined {
  if (/^NoSuch|NotFound/.test(error.name)) return undefined;
  throw error;
}
