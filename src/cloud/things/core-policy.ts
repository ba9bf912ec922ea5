import { createHash } from 'node:crypto';
import {
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  DeletePolicyVersionCommand,
  GetPolicyCommand,
  type IoTClient,
  ListPolicyVersionsCommand,
} from '@aws-sdk/client-iot';
import type { Stack } from '../account/read-stack';
import { unlessMissing } from '../account/unless-missing';

const MAX_NAME = 128;
/** AWS IoT takes so many characters. */
const MAX_DOCUMENT = 2_048;
/** AWS IoT keeps so many versions of a policy. */
const MAX_VERSIONS = 5;

/** Policies have no colon in their names, and 128 characters as things have. */
export function corePolicyName(stack: string, thing: string): string {
  const name = `${stack}-core-${thing.replaceAll(':', '.')}`;
  if (name.length <= MAX_NAME && !thing.includes(':')) return name;
  const hash = createHash('sha256').update(thing).digest('hex').slice(0, 12);
  return `${name.slice(0, MAX_NAME - hash.length - 1)}-${hash}`;
}

/**
 * Of a Greengrass core device's certificate: what its nucleus needs (the least that AWS names), and the component's
 * topics. The name is written out, for nuclei open further connections, and thing variables are empty in those.
 */
export function makeCorePolicy(stack: Stack, thing: string): object {
  const exact = policyOf(stack, thing, {
    both: ['jobs', 'shadow'].map((what) => `$aws/things/${thing}*/${what}/*`),
    told: ['greengrass', 'greengrassv2'].map((what) => `$aws/things/${thing}*/${what}/health/json`),
  });
  if (JSON.stringify(exact).length <= MAX_DOCUMENT) return exact;
  // The name stands in each of them, and may have 128 characters: then all that AWS IoT reserves for this thing.
  return policyOf(stack, thing, { both: [`$aws/things/${thing}*`], told: [] });
}

/** @param reserved topics of AWS IoT's own: to be told and heard, and to be told alone */
function policyOf(
  { partition, region, accountId, roleAlias, vendsTokens }: Stack,
  thing: string,
  { both, told }: { readonly both: readonly string[]; readonly told: readonly string[] },
): object {
  const iot = (resource: string): string => `arn:${partition}:iot:${region}:${accountId}:${resource}`;
  const topics = [`courier/${thing}/*`, ...(vendsTokens ? [`${thing}/token/*`] : [])];
  return {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'iot:Connect', Resource: iot(`client/${thing}*`) },
      {
        Effect: 'Allow',
        Action: ['iot:Publish', 'iot:Receive'],
        Resource: [...both, ...told, ...topics].map((topic) => iot(`topic/${topic}`)),
      },
      {
        Effect: 'Allow',
        Action: 'iot:Subscribe',
        Resource: [...both, ...topics].map((topic) => iot(`topicfilter/${topic}`)),
      },
      { Effect: 'Allow', Action: 'iot:AssumeRoleWithCertificate', Resource: iot(`rolealias/${roleAlias}`) },
      {
        Effect: 'Allow',
        Action: [
          'greengrass:GetComponentVersionArtifact',
          'greengrass:ResolveComponentCandidates',
          'greengrass:GetDeploymentConfiguration',
          'greengrass:ListThingGroupsForCoreDevice',
        ],
        Resource: '*',
      },
    ],
  };
}

/** Makes it, or brings it to what it is to say. Idempotent. @returns its name */
export async function putCorePolicy(iot: IoTClient, stack: Stack, thing: string): Promise<string> {
  const policyName = corePolicyName(stack.name, thing);
  const policyDocument = JSON.stringify(makeCorePolicy(stack, thing));
  const existing = await findPolicyDocument(iot, policyName);
  if (existing === undefined) await iot.send(new CreatePolicyCommand({ policyName, policyDocument }));
  else if (!isSame(existing, policyDocument)) {
    await makeRoom(iot, policyName);
    await iot.send(new CreatePolicyVersionCommand({ policyName, policyDocument, setAsDefault: true }));
  }
  return policyName;
}

export const findPolicyDocument = async (iot: IoTClient, policyName: string): Promise<string | undefined> =>
  (await unlessMissing(iot.send(new GetPolicyCommand({ policyName }))))?.policyDocument;

async function makeRoom(iot: IoTClient, policyName: string): Promise<void> {
  const { policyVersions = [] } = await iot.send(new ListPolicyVersionsCommand({ policyName }));
  if (policyVersions.length < MAX_VERSIONS) return;
  const age = (date: Date | undefined): number => date?.getTime() ?? 0;
  const [oldest] = policyVersions
    .filter(({ isDefaultVersion }) => isDefaultVersion !== true)
    .sort((a, b) => age(a.createDate) - age(b.createDate));
  await iot.send(new DeletePolicyVersionCommand({ policyName, policyVersionId: oldest!.versionId }));
}

const isSame = (a: string, b: string): boolean => JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b));
