import { DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { CloudError } from '../cloud-error';
import type { Account } from './open-account';

/** What the template has made, by its outputs. */
export interface Stack {
  readonly name: string;
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
  readonly bucket: string;
  readonly roleAlias: string;
  readonly thingPolicy: string;
  /** With `{thing}` in it. */
  readonly archivePrefix: string;
  /** Signs URLs of jobs; undefined where jobs are switched off. */
  readonly jobsRoleArn: string | undefined;
  readonly speaksMqtt: boolean;
  readonly vendsTokens: boolean;
}

/** Complete, or an update of what was; also when that failed and was taken back. */
const USABLE = /^(?:CREATE_COMPLETE|UPDATE_|IMPORT_)/;

/** @throws CloudError when there is no such stack, or it is not of the template */
export async function readStack(account: Account, name: string): Promise<Stack> {
  const found = await findStack(account, name);
  if (found !== undefined) return found;
  const region = await account.cloudFormation.config.region();
  throw new CloudError(
    `there is no stack "${name}" in ${region}; deploy it (courier cloud --help), or name it by --stack, --region and --profile`,
  );
}

/** @returns undefined when there is none of the name @throws CloudError when it is not of the template */
export async function findStack({ cloudFormation }: Account, name: string): Promise<Stack | undefined> {
  const found = await describe(cloudFormation, name);
  if (found === undefined) return undefined;
  const { StackId = '', StackStatus = '', Outputs = [] } = found;
  const [, partition, , region, accountId] = StackId.split(':');
  if (partition === undefined || region === undefined || accountId === undefined)
    throw new CloudError(`the stack ${name} has no ARN but "${StackId}"; see --endpoint-url`);
  if (!USABLE.test(StackStatus))
    throw new CloudError(
      `the stack ${name} is ${StackStatus}; wait, or see what failed: aws cloudformation describe-stack-events --stack-name ${name}`,
    );
  const outputs = new Map(Outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
  const get = (key: string): string => {
    const value = outputs.get(key);
    if (value === undefined)
      throw new CloudError(
        `the stack ${name} has no output ${key}: it was not made of this template; name another by --stack, or deploy what courier cloud template prints`,
      );
    return value;
  };
  return {
    name,
    partition,
    region,
    accountId,
    bucket: get('BucketName'),
    roleAlias: get('RoleAliasName'),
    thingPolicy: get('ThingPolicyName'),
    archivePrefix: get('ArchivePrefix'),
    jobsRoleArn: outputs.get('JobsRoleArn'),
    speaksMqtt: outputs.get('Mqtt') === 'true',
    vendsTokens: outputs.get('Tokens') === 'true',
  };
}

async function describe(client: Account['cloudFormation'], name: string) {
  try {
    return (await client.send(new DescribeStacksCommand({ StackName: name }))).Stacks?.[0];
  } catch (error) {
    // A stack that is not there is a ValidationError; a name that cannot be one is too.
    if ((error as Error).name === 'ValidationError') return undefined;
    throw error;
  }
}
