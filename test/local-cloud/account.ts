import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkPolicy, type PolicyDocument } from './policy';
import { base32, type SessionClaims, type SessionCredentials, SessionTokens } from './session-tokens';

export interface Bucket {
  region: string;
  ownerId: string;
  /** only its Deny statements count: identities bring their own Allow */
  policy?: PolicyDocument;
  /** the rule and the handler that tell a thing of objects in its inbox */
  notifiesInbox?: boolean;
  /** XML, as S3 writes it */
  notification?: string;
  lifecycle?: string;
}

export interface RoleAlias {
  policy: PolicyDocument;
  durationSeconds: number;
  /** MaxSessionDuration of the role behind the alias */
  maxSessionSeconds?: number;
  /** the alias names a role that does not exist */
  roleMissing?: boolean;
}

/** A role that is assumed through STS. */
export interface Role {
  policy: PolicyDocument;
  /** ARNs of those who may assume it */
  trusts: string[];
}

export type CertificateStatus = 'ACTIVE' | 'INACTIVE' | 'REVOKED';

export interface RegisteredCertificate {
  status: CertificateStatus;
  policy: PolicyDocument;
}

export interface Thing {
  thingType?: string;
  certificateIds: string[];
}

interface AccountState {
  accountId: string;
  region: string;
  tokenSecret: string;
  tokenGeneration: number;
  admin: { accessKeyId: string; secretAccessKey: string };
  buckets: Record<string, Bucket>;
  roleAliases: Record<string, RoleAlias>;
  certificates: Record<string, RegisteredCertificate>;
  things: Record<string, Thing>;
  /** members by group */
  thingGroups: Record<string, string[]>;
  roles?: Record<string, Role>;
  /** policies of credentials that were issued by hand, by hash */
  policies: Record<string, PolicyDocument>;
}

/** What tokens are to be good for. */
export interface TokenRequest {
  policy: PolicyDocument;
  sessionPolicy?: PolicyDocument;
  variables: Record<string, string>;
  seconds: number;
}

/** What the account knows besides objects; one JSON file, replaced whole at each change. */
export class Account {
  readonly tokens: SessionTokens;
  onIssued: (credentials: SessionCredentials) => void = () => undefined;
  /** Another store's tokens in the place of our own. */
  issuer: ((request: TokenRequest) => Promise<SessionCredentials>) | undefined;

  private constructor(
    private readonly file: string,
    private readonly state: AccountState,
  ) {
    this.tokens = new SessionTokens(Buffer.from(state.tokenSecret, 'base64'));
  }

  static open(dir: string, fresh: { accountId: string; region: string }): Account {
    mkdirSync(dir, { recursive: true });
    const file = join(dir, 'account.json');
    if (existsSync(file)) return new Account(file, JSON.parse(readFileSync(file, 'utf8')) as AccountState);
    const account = new Account(file, {
      ...fresh,
      tokenSecret: randomBytes(32).toString('base64'),
      tokenGeneration: 0,
      admin: { accessKeyId: `AKIA${base32(randomBytes(16))}`, secretAccessKey: randomBytes(30).toString('base64') },
      buckets: {},
      roleAliases: {},
      certificates: {},
      things: {},
      thingGroups: {},
      policies: {},
    });
    account.save();
    return account;
  }

  get accountId(): string {
    return this.state.accountId;
  }

  get region(): string {
    return this.state.region;
  }

  get admin(): { accessKeyId: string; secretAccessKey: string } {
    return this.state.admin;
  }

  findBucket(name: string): Bucket | undefined {
    return own(this.state.buckets, name);
  }

  putBucket(name: string, bucket: Bucket): void {
    this.state.buckets[name] = bucket;
    this.save();
  }

  findRoleAlias(name: string): RoleAlias | undefined {
    return own(this.state.roleAliases, name);
  }

  putRoleAlias(name: string, alias: RoleAlias): void {
    this.state.roleAliases[name] = { ...alias, policy: checkPolicy(alias.policy) };
    this.save();
  }

  findThing(name: string): Thing | undefined {
    return own(this.state.things, name);
  }

  putThing(name: string, thing: Thing): void {
    this.state.things[name] = thing;
    this.save();
  }

  removeThing(name: string): void {
    delete this.state.things[name];
    this.save();
  }

  findThingGroup(name: string): readonly string[] | undefined {
    return own(this.state.thingGroups, name);
  }

  putThingGroup(name: string, things: readonly string[]): void {
    this.state.thingGroups[name] = [...things];
    this.save();
  }

  findCertificate(id: string): RegisteredCertificate | undefined {
    return own(this.state.certificates, id);
  }

  putCertificate(id: string, certificate: RegisteredCertificate): void {
    this.state.certificates[id] = { ...certificate, policy: checkPolicy(certificate.policy) };
    this.save();
  }

  removeCertificate(id: string): void {
    delete this.state.certificates[id];
    this.save();
  }

  findRole(name: string): Role | undefined {
    return own(this.state.roles ?? {}, name);
  }

  putRole(name: string, role: Role): void {
    this.state.roles = { ...this.state.roles, [name]: { ...role, policy: checkPolicy(role.policy) } };
    this.save();
  }

  roleArn(name: string): string {
    return `arn:aws:iam::${this.accountId}:role/${name}`;
  }

  roleAliasArn(alias: string): string {
    return `arn:aws:iot:${this.region}:${this.accountId}:rolealias/${alias}`;
  }

  async issueForAlias(
    alias: string,
    variables: Record<string, string>,
    expiresAtMs: number,
  ): Promise<SessionCredentials> {
    const { policy, durationSeconds: seconds } = this.findRoleAlias(alias)!;
    if (this.issuer !== undefined) return this.issuer({ policy, variables, seconds });
    return this.issue({ policyName: `alias/${alias}`, variables, expiresAtMs });
  }

  issueForPolicies(options: {
    policy: PolicyDocument;
    sessionPolicy?: PolicyDocument;
    variables: Record<string, string>;
    expiresAtMs: number;
  }): SessionCredentials {
    return this.issue({
      policyName: this.storePolicy(options.policy),
      ...(options.sessionPolicy === undefined ? {} : { sessionPolicyName: this.storePolicy(options.sessionPolicy) }),
      variables: options.variables,
      expiresAtMs: options.expiresAtMs,
    });
  }

  async issueForRole(
    role: string,
    sessionPolicy: PolicyDocument,
    seconds: number,
    nowMs: number,
  ): Promise<SessionCredentials> {
    if (this.issuer !== undefined)
      return this.issuer({ policy: this.findRole(role)!.policy, sessionPolicy, variables: {}, seconds });
    const expiresAtMs = nowMs + seconds * 1000;
    return this.issue({
      policyName: `role/${role}`,
      sessionPolicyName: this.storePolicy(sessionPolicy),
      variables: {},
      expiresAtMs,
    });
  }

  isExpired(claims: SessionClaims, nowMs: number): boolean {
    return claims.generation < this.state.tokenGeneration || claims.expiresAtMs <= nowMs;
  }

  expireTokens(): void {
    this.state.tokenGeneration += 1;
    this.save();
  }

  /** The role's policy as it is now, and the session policy as it was given. */
  policiesOf(claims: SessionClaims): PolicyDocument[] {
    const names = [claims.policyName, ...(claims.sessionPolicyName === undefined ? [] : [claims.sessionPolicyName])];
    return names.map((name) => this.findPolicy(name) ?? { Statement: [] });
  }

  private findPolicy(name: string): PolicyDocument | undefined {
    if (name.startsWith('alias/')) return this.findRoleAlias(name.slice('alias/'.length))?.policy;
    if (name.startsWith('role/')) return this.findRole(name.slice('role/'.length))?.policy;
    return own(this.state.policies, name);
  }

  private storePolicy(policy: PolicyDocument): string {
    const name = createHash('sha256').update(JSON.stringify(policy)).digest('hex');
    if (own(this.state.policies, name) === undefined) {
      this.state.policies[name] = checkPolicy(policy);
      this.save();
    }
    return name;
  }

  private issue(claims: Omit<SessionClaims, 'accessKeyId' | 'generation'>): SessionCredentials {
    const issued = this.tokens.issue({ ...claims, generation: this.state.tokenGeneration });
    this.onIssued(issued);
    return issued;
  }

  private save(): void {
    const temporary = `${this.file}.tmp`;
    writeFileSync(temporary, JSON.stringify(this.state, null, 1), { mode: 0o600 });
    renameSync(temporary, this.file);
  }
}

function own<T>(record: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
