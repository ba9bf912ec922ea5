import type { Deviation, DeviationId } from './deviation';

export interface AccessKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface TemporaryKeys extends AccessKeys {
  readonly sessionToken: string;
  readonly expiration: Date;
}

/** An IAM policy document as AWS writes it; statements may use `${credentials-iot:ThingName}`. */
export interface PolicyDocument {
  Version: '2012-10-17';
  Statement: {
    Effect: 'Allow' | 'Deny';
    Action: string | string[];
    Resource: string | string[];
    Condition?: Record<string, Record<string, string | string[]>>;
  }[];
}

export interface KeysRequest {
  /** What the holder may do, at most; an engine may enforce it as role policy or as session policy. */
  readonly policy: PolicyDocument;
  /** Values of policy variables, `credentials-iot:ThingName` among them. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly seconds: number;
}

/** A running S3, loopback only. */
export interface Engine {
  readonly name: string;
  readonly endpoint: string;
  /** The same store without TLS, where the engine offers both at once. */
  readonly plainEndpoint: string | undefined;
  /** PEM of the authority behind `endpoint`; undefined when it is plain http. */
  readonly caFile: string | undefined;
  readonly region: string;
  readonly pathStyle: boolean;
  /** The account that owns what `admin` creates, as `ExpectedBucketOwner` names it. */
  readonly accountId: string;
  readonly admin: AccessKeys;
  createBucket(name: string): Promise<void>;
  issueKeys(request: KeysRequest): Promise<TemporaryKeys>;
  stop(): Promise<void>;
}

/** What is known of an engine before it runs, so that a suite can be named, or skipped, when jest collects it. */
export interface EngineKind {
  readonly name: string;
  /** Where the engine behaves otherwise than AWS documents; the contract asserts each of them. */
  readonly deviations: readonly Deviation[];
  /** What has to be installed, or undefined when nothing is missing. */
  findMissing(): string | undefined;
  start(): Promise<Engine>;
}

export const deviates = (kind: EngineKind, id: DeviationId): boolean => kind.deviations.some((d) => d.id === id);
