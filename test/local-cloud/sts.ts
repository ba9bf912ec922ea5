import type { AssumeRoleInput, AssumeRoleOutput } from '../../src/cloud/handlers/token-vendor';
import type { Account } from './account';
import { checkPolicy, type PolicyDocument } from './policy';

/** As STS names what it does not do. */
class StsError extends Error {
  constructor(
    override readonly name: string,
    message: string,
  ) {
    super(message);
  }
}

const MAX_POLICY = 2_048;
/** A role that was assumed assumes another for an hour at most. */
const MAX_CHAINED_SECONDS = 3_600;

/** AssumeRole, as strict as the real one. */
export class Sts {
  /** Role session names, in order. */
  readonly sessions: string[] = [];
  /** STS's own; lower for tokens that end while somebody watches. */
  minSeconds = 900;

  constructor(
    private readonly account: Account,
    private readonly now: () => number,
  ) {}

  /** @param caller ARN of the role that asks */
  async assumeRole(
    caller: string,
    { RoleArn, RoleSessionName, Policy, DurationSeconds }: AssumeRoleInput,
  ): Promise<AssumeRoleOutput> {
    if (!/^[\w+=,.@-]{2,64}$/.test(RoleSessionName)) throw invalid(`RoleSessionName ${RoleSessionName}`);
    if (Policy.length > MAX_POLICY) throw new StsError('PackedPolicyTooLargeException', `${Policy.length} characters`);
    const name = new RegExp(`^arn:aws:iam::${this.account.accountId}:role/(.+)$`).exec(RoleArn)?.[1];
    const role = name === undefined ? undefined : this.account.findRole(name);
    if (role === undefined || !role.trusts.includes(caller))
      throw new StsError(
        'AccessDenied',
        `User: ${caller} is not authorized to perform: sts:AssumeRole on resource: ${RoleArn}`,
      );
    if (DurationSeconds < this.minSeconds || DurationSeconds > MAX_CHAINED_SECONDS)
      throw invalid(`DurationSeconds ${DurationSeconds}`);
    let sessionPolicy: PolicyDocument;
    try {
      sessionPolicy = checkPolicy(JSON.parse(Policy) as PolicyDocument);
    } catch (cause) {
      throw new StsError('MalformedPolicyDocument', (cause as Error).message);
    }
    this.sessions.push(RoleSessionName);
    const issued = await this.account.issueForRole(name!, sessionPolicy, DurationSeconds, this.now());
    return {
      Credentials: {
        AccessKeyId: issued.accessKeyId,
        SecretAccessKey: issued.secretAccessKey,
        SessionToken: issued.sessionToken,
        Expiration: new Date(Math.floor(issued.expiration.getTime() / 1000) * 1000), // whole seconds, as STS says it
      },
    };
  }
}

const invalid = (what: string): StsError => new StsError('ValidationError', `${what} does not satisfy its constraints`);
