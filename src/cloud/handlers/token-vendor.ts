import { THING_NAME } from '../../domain/thing-name';
import type { IotMessage } from './inbox-notifier';
import { roleSessionName } from './role-session-name';

/** What the topic rule hands over: `SELECT topic(1) AS name, requestId FROM '+/token/req'`. A device wrote all of it. */
export interface TokenRequest {
  readonly name?: unknown;
  readonly requestId?: unknown;
}

export interface TokenVendorSettings {
  /** Of the role that may put objects; it trusts the role that this runs by. */
  readonly roleArn: string;
  readonly bucket: string;
  /** 900 to 3600: AWS gives no more where one role assumes another. */
  readonly durationSeconds: number;
  /** Of the key that the bucket is encrypted with by default; an object cannot be put without it. */
  readonly kmsKeyArn?: string;
}

/** As `AssumeRoleCommand` of `@aws-sdk/client-sts` takes it. */
export interface AssumeRoleInput {
  readonly RoleArn: string;
  readonly RoleSessionName: string;
  readonly Policy: string;
  readonly DurationSeconds: number;
}

export interface AssumeRoleOutput {
  readonly Credentials?: {
    readonly AccessKeyId?: string | undefined;
    readonly SecretAccessKey?: string | undefined;
    readonly SessionToken?: string | undefined;
    readonly Expiration?: Date | undefined;
  };
}

/** STS takes so many characters. */
const MAX_POLICY = 2_048;

/**
 * Runs in the account: a thing that asks gets credentials that may put objects into its own folder, and nothing else.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
 */
export async function vendToken(
  { name, requestId }: TokenRequest,
  settings: TokenVendorSettings,
  assumeRole: (input: AssumeRoleInput) => Promise<AssumeRoleOutput>,
  publish: (message: IotMessage) => Promise<unknown>,
): Promise<void> {
  if (typeof name !== 'string' || !THING_NAME.test(name)) return; // it would end up in the policy and in the topic
  const echo = typeof requestId === 'string' && /^[\w-]{1,64}$/.test(requestId) ? { requestId } : {};
  const answer = (body: object): Promise<unknown> =>
    publish({ topic: `${name}/token/res`, qos: 1, payload: JSON.stringify({ ...body, ...echo }) });
  const { roleArn, durationSeconds } = settings;
  const Policy = sessionPolicy(settings, name);
  if (Policy.length > MAX_POLICY) throw new Error(`a session policy of ${Policy.length} characters`);
  let output: AssumeRoleOutput;
  try {
    output = await assumeRole({
      RoleArn: roleArn,
      RoleSessionName: roleSessionName(name),
      Policy,
      DurationSeconds: durationSeconds,
    });
  } catch (error) {
    await answer({ error: `the role cannot be assumed: ${(error as Error).name}` }); // its words may name what is not the device's
    throw error;
  }
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = output.Credentials ?? {};
  await answer({ AccessKeyId, SecretAccessKey, SessionToken, Expiration: Expiration?.toISOString() });
}

function sessionPolicy({ roleArn, bucket, kmsKeyArn }: TokenVendorSettings, thing: string): string {
  const [, partition] = roleArn.split(':');
  const put = {
    Effect: 'Allow',
    Action: 's3:PutObject',
    Resource: `arn:${partition}:s3:::${bucket}/${thing}/*`,
  };
  const encrypt = { Effect: 'Allow', Action: ['kms:GenerateDataKey', 'kms:Decrypt'], Resource: kmsKeyArn };
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: kmsKeyArn === undefined ? [put] : [put, encrypt],
  });
}
