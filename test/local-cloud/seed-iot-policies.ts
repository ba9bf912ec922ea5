import type { PolicyDocument, PolicyStatement } from './policy';

/** The account that the ARNs are of. */
export interface Whose {
  readonly region: string;
  readonly accountId: string;
}

const arn = ({ region, accountId }: Whose, resource: string): string =>
  `arn:aws:iot:${region}:${accountId}:${resource}`;
const allow = (Action: string | string[], Resource: string | string[]): PolicyStatement => ({
  Effect: 'Allow',
  Action,
  Resource,
});
const document = (...Statement: PolicyStatement[]): PolicyDocument => ({ Version: '2012-10-17', Statement });
const assumeRole = (whose: Whose, alias: string): PolicyStatement =>
  allow('iot:AssumeRoleWithCertificate', arn(whose, `rolealias/${alias}`));

/** Seed A: it may connect and publish, and subscribes to nothing. */
export function seedAIotPolicy(whose: Whose, alias: string): PolicyDocument {
  return document(assumeRole(whose, alias), allow(['iot:Connect', 'iot:Publish'], '*'));
}

/** Seed B: its two topics for tokens. */
export function seedBIotPolicy(whose: Whose, thing: string): PolicyDocument {
  return document(
    allow('iot:Connect', arn(whose, `client/${thing}`)),
    allow('iot:Publish', arn(whose, `topic/${thing}/token/req`)),
    allow('iot:Subscribe', arn(whose, `topicfilter/${thing}/token/res`)),
    allow('iot:Receive', arn(whose, `topic/${thing}/token/res`)),
  );
}

/** Seeds C and E: credentials, and not even iot:Connect. */
export function credentialsOnlyIotPolicy(whose: Whose, alias: string): PolicyDocument {
  return document(assumeRole(whose, alias));
}

/** Seed D: the jobs of the thing. */
export function seedDIotPolicy(whose: Whose, thing: string): PolicyDocument {
  const jobs = `$aws/things/${THING_NAME}/jobs/*`;
  return document(
    allow('iot:Connect', arn(whose, `client/${thing}`)),
    allow(['iot:Publish', 'iot:Receive'], arn(whose, `topic/${jobs}`)),
    allow('iot:Subscribe', arn(whose, `topicfilter/${jobs}`)),
  );
}

/** What this component asks for: its own topics, and the thing's jobs. */
export function courierIotPolicy(whose: Whose): PolicyDocument {
  const own = `courier/${THING_NAME}/*`;
  const jobs = `$aws/things/${THING_NAME}/jobs/*`;
  return document(
    allow('iot:AssumeRoleWithCertificate', arn(whose, 'rolealias/*')),
    allow('iot:Connect', arn(whose, `client/${THING_NAME}`)),
    allow(['iot:Publish', 'iot:Receive'], arn(whose, `topic/${own}`)),
    allow(['iot:Publish', 'iot:Receive'], arn(whose, `topic/${jobs}`)),
    allow('iot:Subscribe', arn(whose, `topicfilter/${own}`)),
    allow('iot:Subscribe', arn(whose, `topicfilter/${jobs}`)),
  );
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
const THING_NAME = '${iot:Connection.Thing.ThingName}';
