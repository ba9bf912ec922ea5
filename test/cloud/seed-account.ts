import { makeTemplate } from '../../src/cloud/template/make-template';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import {
  credentialsOnlyIotPolicy,
  seedAIotPolicy,
  seedBIotPolicy,
  seedDIotPolicy,
  type Whose,
} from '../local-cloud/seed-iot-policies';
import { seedAPolicy, seedCPolicy, seedDPolicy, seedEPolicy } from '../local-cloud/seed-policies';
import { Courier } from '../support/courier';
import { resolveTemplate } from './resolve-template';

export type SeedName = 'A' | 'B' | 'C' | 'D' | 'E';

/** What an account grants to one device. */
export interface SeedAccount {
  /** Of the role alias; without it there is none. */
  readonly alias: { readonly policy: PolicyDocument; readonly roleMissing?: boolean } | undefined;
  readonly certificate: PolicyDocument;
  /** Signs the URLs of jobs. */
  readonly jobs: PolicyDocument;
  /** Sets up who vends tokens, if anybody does. */
  readonly vendTokens: (cloud: LocalCloud, bucket: string) => void;
}

const none = (): void => undefined;

/** Exactly what the how-to says, and nothing beside. */
export function howToAccount(seed: SeedName, whose: Whose, bucket: string): SeedAccount {
  const jobs = seedDPolicy(bucket);
  switch (seed) {
    case 'A':
      return {
        alias: { policy: seedAPolicy(bucket) },
        certificate: seedAIotPolicy(whose, 'courier'),
        jobs,
        vendTokens: none,
      };
    case 'B':
      return {
        alias: undefined,
        certificate: seedBIotPolicy(whose, Courier.thing),
        jobs,
        vendTokens: (cloud) => void cloud.createTokenVendor(bucket),
      };
    case 'C':
    case 'E':
      return {
        alias: { policy: seed === 'C' ? seedCPolicy(bucket) : seedEPolicy(bucket) },
        certificate: credentialsOnlyIotPolicy(whose, 'courier'),
        jobs,
        vendTokens: none,
      };
    case 'D':
      return { alias: undefined, certificate: seedDIotPolicy(whose, Courier.thing), jobs, vendTokens: none };
  }
}

/** What a stack of the template makes of it; tokens are vended for B alone. */
export function templateAccount(seed: SeedName, { accountId, region }: Whose, bucket: string): SeedAccount {
  const { resources } = resolveTemplate(makeTemplate({ tokenVendor: '', inboxNotifier: '' }), {
    parameters: { BucketName: bucket, TokenVendor: String(seed === 'B') },
    accountId,
    region,
  });
  const policyOf = (role: string): PolicyDocument => resources[role].Properties.Policies[0].PolicyDocument;
  const principalOf = (role: string) => resources[role].Properties.AssumeRolePolicyDocument.Statement[0].Principal;
  return {
    alias: {
      policy: policyOf('DeviceRole'),
      roleMissing: principalOf('DeviceRole').Service !== 'credentials.iot.amazonaws.com',
    },
    certificate: resources.ThingPolicy.Properties.PolicyDocument,
    jobs: policyOf('JobsRole'),
    vendTokens: (cloud) => {
      if (seed !== 'B') return;
      const { Environment, Role } = resources.TokenVendorFunction.Properties;
      const { BUCKET, ROLE_ARN } = Environment.Variables;
      cloud.createTokenVendor(BUCKET, {
        functionRole: { arn: Role, policy: resources.TokenVendorPolicy.Properties.PolicyDocument },
        role: { arn: ROLE_ARN, policy: policyOf('TokenRole'), trusts: [principalOf('TokenRole').AWS] },
      });
    },
  };
}
