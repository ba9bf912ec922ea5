import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import { S3Client } from '@aws-sdk/client-s3';
import { bundleFunctions } from '../../src/build/bundle-functions';
import { makeTemplate, renderTemplate, type Template } from '../../src/cloud/template/make-template';
import { Moto, moto } from '../engines/moto';
import { AccountApi, elementsOf, textOf } from './account-api';
import { EVERYTHING } from './expected-resources';
import { FEED, type Fed } from './feed';
import { type Account, LOOK_UP } from './look-up';
import { resolveTemplate } from './resolve-template';

const REGION = 'eu-central-1';
const missing = moto.findMissing();
const skipped = missing === undefined ? '' : ` (skipped: ${missing})`;
if (missing !== undefined) process.stderr.write(`the template on moto skipped: ${missing}\n`);

/** Numbers are text on their way through parameters; what is not there is as if it were not asked for. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([name, one]) => [name, plain(one)]),
  );
}

/** moto's ARN of a log group has no `:*` behind it, as CloudFormation's has. */
const asMotoSays = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(plain(value)).replace(/(:log-group:[\w-]+):\*/g, '$1'));

interface Property extends Fed {
  readonly logical: string;
  readonly type: string;
  readonly property: string;
}

/** Those that are found as the template has them. */
async function those(some: readonly Property[], find: (one: Property) => Promise<unknown> | undefined) {
  const right: Property[] = [];
  for (const one of some) {
    const found = await find(one);
    const is = found !== undefined && isDeepStrictEqual(plain(found), asMotoSays(one.resolved[one.property]));
    if (is) right.push(one);
  }
  return right;
}

/**
 * The template deployed by another reading of CloudFormation than our own, and each property looked up by the service it
 * is of. moto says CREATE_COMPLETE of what it has left out, too: so it is asked what it has.
 */
(missing === undefined ? describe : describe.skip)(`the template on moto${skipped}`, () => {
  let engine: Moto;
  let account: Account;
  let template: Template;

  beforeAll(async () => {
    engine = await Moto.start('anybody');
    const s3 = new S3Client({
      endpoint: engine.endpoint,
      region: REGION,
      forcePathStyle: true,
      credentials: engine.admin,
      requestHandler: { httpsAgent: new Agent({ ca: readFileSync(engine.caFile) }) },
    });
    account = { api: new AccountApi(engine, REGION), s3 };
    template = makeTemplate(await bundleFunctions());
  });
  afterAll(async () => {
    account?.s3.destroy();
    await engine?.stop();
  });

  /** @returns the physical names of what moto implements, and the outputs */
  async function deploy(StackName: string, parameters: Readonly<Record<string, string>>, what: Template = template) {
    const { api } = account;
    const pairs = Object.entries(parameters).flatMap(([name, value], i) => [
      [`Parameters.member.${i + 1}.ParameterKey`, name],
      [`Parameters.member.${i + 1}.ParameterValue`, value],
    ]);
    await api.query('cloudformation', 'CreateStack', {
      StackName,
      TemplateBody: renderTemplate(what),
      'Capabilities.member.1': 'CAPABILITY_IAM',
      ...Object.fromEntries(pairs),
    });
    const stack = await api.query('cloudformation', 'DescribeStacks', { StackName });
    expect(textOf(stack, 'StackStatus')).toBe('CREATE_COMPLETE');
    const listed = await api.query('cloudformation', 'ListStackResources', { StackName });
    const resources = elementsOf(listed, 'member')
      .map((member) => [textOf(member, 'LogicalResourceId')!, textOf(member, 'PhysicalResourceId')!] as const)
      .filter(([name]) => name !== ''); // what it does not implement is CREATE_COMPLETE, and has no name
    const values = elementsOf(stack, 'OutputValue').map(({ text }) => text);
    const outputs = elementsOf(stack, 'OutputKey').map(({ text }, i) => [text, values[i]]);
    return { names: Object.fromEntries(resources), outputs: Object.fromEntries(outputs) };
  }

  it('is deployed as it is', async () => {
    const { names } = await deploy('as-it-is', {});
    const { resources } = resolveTemplate(template);
    expect(Object.keys(names).sort()).toEqual(
      Object.keys(resources)
        .filter((name) => name !== 'BucketPolicy')
        .sort(),
    );
  });

  it('has everything that was asked for, as far as moto goes', async () => {
    const { api } = account;
    await api.query('iam', 'CreateRole', { RoleName: EVERYTHING.TokenExchangeRole, AssumeRolePolicyDocument: '{}' });
    const whole = structuredClone(template) as Template & { Resources: Record<string, { Properties: object }> };
    // moto resolves no attribute of what it does not implement.
    const SourceArn = `arn:aws:iot:${REGION}:${engine.accountId}:rule/tokenvendorrule`;
    Object.assign(whole.Resources.TokenVendorPermission!.Properties, { SourceArn });
    const { names: listed, outputs } = await deploy('courier', EVERYTHING, whole);
    const names = Object.fromEntries(Object.entries(listed).filter(([, name]) => name !== ''));
    const expected = resolveTemplate(template, { parameters: EVERYTHING, names });
    const there: Record<string, Readonly<Record<string, unknown>>> = {};
    const properties: Property[] = [];
    for (const [logical, { Type: type, Properties: resolved }] of Object.entries(expected.resources)) {
      const name = names[logical] ?? resolved.RoleAlias ?? resolved.PolicyName ?? logical.toLowerCase();
      if (logical in listed) there[logical] = await LOOK_UP[type]!(account, name, resolved);
      for (const property of Object.keys(resolved)) properties.push({ logical, type, property, name, resolved, names });
    }
    const deployed = await those(properties, async ({ logical, property }) => there[logical]?.[property]);
    const rest = properties.filter((one) => !deployed.includes(one));
    const fed = await those(rest, (one) => FEED[`${one.type}.${one.property}`]?.(account, one));
    const linted = rest.filter((one) => !fed.includes(one));
    const say = (some: Property[]) => some.map(({ logical, property }) => `${logical}.${property}`);
    process.stdout.write(
      `on moto ${deployed.length} properties were deployed and looked up, ${fed.length} fed to its API calls; only linted: ${say(linted).join(', ')}\n`,
    );
    expect(say(fed)).toEqual([
      'Bucket.PublicAccessBlockConfiguration',
      'Bucket.OwnershipControls',
      'Bucket.BucketEncryption',
      'Bucket.NotificationConfiguration',
      'Bucket.VersioningConfiguration',
      'Bucket.LifecycleConfiguration',
      'BucketPolicy.Bucket',
      'BucketPolicy.PolicyDocument',
      'InboxNotifierFunction.Code',
      'TokenVendorFunction.Code',
      'TokenVendorRule.TopicRulePayload',
    ]);
    expect(say(linted)).toEqual(['InboxNotifierFunction.LoggingConfig', 'TokenVendorFunction.LoggingConfig']);
    expect(outputs).toEqual(expected.outputs);
  });
});
