/** What CloudFormation works out when it deploys. https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html */
export type Value = string | number | boolean | readonly Value[] | { readonly [name: string]: Value };

export interface Resource {
  readonly Type: string;
  readonly Condition?: string;
  readonly DependsOn?: string;
  readonly DeletionPolicy?: 'Retain';
  readonly UpdateReplacePolicy?: 'Retain';
  readonly Properties: { readonly [name: string]: Value };
}

export type Resources = Readonly<Record<string, Resource>>;

export const ref = (name: string): Value => ({ Ref: name });
export const attribute = (resource: string, name: string): Value => ({ 'Fn::GetAtt': [resource, name] });

/** `${…}` is filled in by CloudFormation, `${!…}` is left as `${…}` for IAM and AWS IoT. */
export const sub = (text: string, values?: Readonly<Record<string, Value>>): Value => ({
  'Fn::Sub': values === undefined ? text : [text, values],
});

/** Without an alternative the property, or the item of the list, is as if it were not there. */
export const choose = (condition: string, value: Value, otherwise: Value = ref('AWS::NoValue')): Value => ({
  'Fn::If': [condition, value, otherwise],
});

/** An ARN of this account and region. */
export const arn = (service: string, resource: string): Value =>
  sub(`arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}`);
