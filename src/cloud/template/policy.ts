import type { Value } from './intrinsics';

type OneOrMany = Value | readonly Value[];

export const allow = (Action: string | readonly string[], Resource: OneOrMany, Condition?: Value): Value => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...(Condition === undefined ? {} : { Condition }),
});

export const policyDocument = (...Statement: readonly Value[]): Value => ({ Version: '2012-10-17', Statement });

/** Who may assume a role. */
export const trust = (Principal: Value, Condition?: Value): Value =>
  policyDocument({
    Effect: 'Allow',
    Principal,
    Action: 'sts:AssumeRole',
    ...(Condition === undefined ? {} : { Condition }),
  });
