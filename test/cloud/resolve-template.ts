import type { Template } from '../../src/cloud/template/make-template';

/** Where a stack is made, and with what. */
export interface Stack {
  readonly parameters?: Readonly<Record<string, string>>;
  readonly partition?: string;
  readonly region?: string;
  readonly accountId?: string;
  /** Of resources that are there, by their logical names. */
  readonly names?: Readonly<Record<string, string>>;
}

// biome-ignore lint/suspicious/noExplicitAny: resources are of many shapes, and tests look at all of them
export type Resolved = any;

/** Where none is given. */
export const ACCOUNT = '123456789012';

const NOTHING = Symbol('AWS::NoValue');

/** Attributes by type and name: the ARN that AWS would give. */
const ARNS: Readonly<Record<string, (name: string, where: Record<string, string>) => string>> = {
  'AWS::IAM::Role': (name, { partition, accountId }) => `arn:${partition}:iam::${accountId}:role/${name}`,
  'AWS::IoT::RoleAlias': (name, { partition, region, accountId }) =>
    `arn:${partition}:iot:${region}:${accountId}:rolealias/${name}`,
  'AWS::IoT::TopicRule': (name, { partition, region, accountId }) =>
    `arn:${partition}:iot:${region}:${accountId}:rule/${name}`,
  'AWS::Lambda::Function': (name, { partition, region, accountId }) =>
    `arn:${partition}:lambda:${region}:${accountId}:function:${name}`,
  'AWS::Logs::LogGroup': (name, { partition, region, accountId }) =>
    `arn:${partition}:logs:${region}:${accountId}:log-group:${name}:*`,
  'AWS::Events::Rule': (name, { partition, region, accountId }) =>
    `arn:${partition}:events:${region}:${accountId}:rule/${name}`,
};

/** What CloudFormation would make of it: resources whose condition holds, with everything filled in. Refuses what it does not know. */
export function resolveTemplate(
  template: Template,
  { parameters = {}, partition = 'aws', region = 'eu-central-1', accountId = ACCOUNT, names = {} }: Stack = {},
): { readonly resources: Record<string, Resolved>; readonly outputs: Record<string, unknown> } {
  const unknown = Object.keys(parameters).filter((name) => template.Parameters[name] === undefined);
  if (unknown.length > 0) throw new Error(`no parameters: ${unknown.join(', ')}`);
  const given = (name: string): string =>
    parameters[name] ?? String((template.Parameters[name] as { Default: unknown }).Default);
  const holds = (name: string): boolean => {
    const condition = template.Conditions[name];
    if (condition === undefined) throw new Error(`no condition ${name}`);
    return judge(condition);
  };
  const judge = (condition: Resolved): boolean => {
    if (condition.Condition !== undefined) return holds(condition.Condition);
    if (condition['Fn::Not'] !== undefined) return !judge(condition['Fn::Not'][0]);
    if (condition['Fn::And'] !== undefined) return condition['Fn::And'].every(judge);
    const [left, right] = condition['Fn::Equals'];
    return String(fill(left)) === String(fill(right));
  };
  const physical = (name: string): string => {
    const resource = template.Resources[name];
    if (resource === undefined) throw new Error(`no resource ${name}`);
    if (resource.Condition !== undefined && !holds(resource.Condition)) throw new Error(`${name} is not made`);
    const { BucketName, RoleAlias } = resource.Properties;
    const own = [BucketName, RoleAlias].filter((value) => value !== undefined).map(fill);
    return names[name] ?? (typeof own[0] === 'string' ? own[0] : name.toLowerCase());
  };
  const PSEUDO: Record<string, unknown> = {
    'AWS::NoValue': NOTHING,
    'AWS::Partition': partition,
    'AWS::Region': region,
    'AWS::AccountId': accountId,
    'AWS::StackName': 'courier',
  };
  const refer = (name: string): unknown => {
    if (name in PSEUDO) return PSEUDO[name];
    return template.Parameters[name] === undefined ? physical(name) : given(name);
  };
  const attributeOf = (name: string): string => {
    const type = template.Resources[name]?.Type ?? '';
    const make = ARNS[type];
    if (make === undefined) throw new Error(`no ARN of ${name}, ${type}`);
    return make(physical(name), { partition, region, accountId });
  };
  const fill = (value: Resolved): unknown => {
    if (Array.isArray(value)) return value.map(fill).filter((item) => item !== NOTHING);
    if (typeof value !== 'object') return value;
    if (value.Ref !== undefined) return refer(value.Ref);
    if (value['Fn::If'] !== undefined) {
      const [condition, yes, no] = value['Fn::If'];
      return fill(holds(condition) ? yes : no);
    }
    if (value['Fn::GetAtt'] !== undefined) return attributeOf(value['Fn::GetAtt'][0]);
    if (value['Fn::Sub'] !== undefined) {
      const [text, own] = Array.isArray(value['Fn::Sub']) ? value['Fn::Sub'] : [value['Fn::Sub'], {}];
      return (text as string).replace(/\$\{(!?)([^}]*)\}/g, (_, literal: string, name: string) =>
        literal === '!' ? `\${${name}}` : String(name in own ? fill(own[name]) : refer(name)),
      );
    }
    const stray = Object.keys(value).find((name) => name.startsWith('Fn::'));
    if (stray !== undefined) throw new Error(`${stray} is not known here`);
    return Object.fromEntries(
      Object.entries(value)
        .map(([name, one]) => [name, fill(one)] as const)
        .filter(([, one]) => one !== NOTHING),
    );
  };
  const made = Object.entries(template.Resources).filter(
    ([, { Condition }]) => Condition === undefined || holds(Condition),
  );
  const told = Object.entries(template.Outputs).filter(
    ([, { Condition }]) => Condition === undefined || holds(Condition),
  );
  return {
    resources: Object.fromEntries(
      made.map(([name, resource]) => {
        if (resource.DependsOn !== undefined) physical(resource.DependsOn);
        return [name, { ...resource, Properties: fill(resource.Properties) }];
      }),
    ),
    outputs: Object.fromEntries(told.map(([name, { Value }]) => [name, fill(Value)])),
  };
}
