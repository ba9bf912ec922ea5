import { attribute, type Resources, ref, sub, type Value } from './intrinsics';
import { allow, policyDocument, trust } from './policy';

export interface AccountFunction {
  /** Logical names start with it. */
  readonly name: string;
  readonly condition: string;
  /** CommonJS that exports `handler`; of others it needs only what the runtime brings. */
  readonly code: string;
  readonly environment: { readonly [name: string]: Value };
  /** What it may, beside writing its log. */
  readonly statements: readonly Value[];
}

/** A function with its role and its log, which is kept for a month. The policy stands apart: roles may name each other by it. */
export const accountFunction = ({ name, condition, code, environment, statements }: AccountFunction): Resources => ({
  [`${name}Log`]: {
    Type: 'AWS::Logs::LogGroup',
    Condition: condition,
    Properties: { RetentionInDays: 30 },
  },
  [`${name}Role`]: {
    Type: 'AWS::IAM::Role',
    Condition: condition,
    Properties: { AssumeRolePolicyDocument: trust({ Service: 'lambda.amazonaws.com' }) },
  },
  [`${name}Policy`]: {
    Type: 'AWS::IAM::Policy',
    Condition: condition,
    Properties: {
      PolicyName: 'function',
      Roles: [ref(`${name}Role`)],
      PolicyDocument: policyDocument(
        allow(['logs:CreateLogStream', 'logs:PutLogEvents'], attribute(`${name}Log`, 'Arn')),
        ...statements,
      ),
    },
  },
  [`${name}Function`]: {
    Type: 'AWS::Lambda::Function',
    Condition: condition,
    DependsOn: `${name}Policy`,
    Properties: {
      Description: sub(`thing-courier, \${AWS::StackName}`),
      Runtime: 'nodejs22.x',
      Handler: 'index.handler',
      Role: attribute(`${name}Role`, 'Arn'),
      Code: { ZipFile: code },
      Environment: { Variables: environment },
      LoggingConfig: { LogGroup: ref(`${name}Log`) },
      MemorySize: 256,
      Timeout: 10,
    },
  },
});
