import {
  DeleteCertificateCommand,
  DeletePolicyCommand,
  DeletePolicyVersionCommand,
  DeleteThingCommand,
  DetachPolicyCommand,
  DetachThingPrincipalCommand,
  type IoTClient,
  ListPolicyVersionsCommand,
  ListPrincipalThingsCommand,
} from '@aws-sdk/client-iot';
import type { Account } from '../account/open-account';
import { CloudError } from '../cloud-error';
import { lookAgain } from '../look-again';
import type { ThingOrder } from './add-thing';
import { corePolicyName, findPolicyDocument } from './core-policy';
import { hasThing } from './registry';
import { type ThingCertificate, ThingCertificates } from './thing-certificates';

const DETACHED_MS = 20_000;

/** The thing, its certificates and a policy of its own leave the account; files in the bucket stay. May be done again. */
export async function removeThing(
  { iot }: Account,
  { thing, folder, stack, say }: Omit<ThingOrder, 'isCore'> & { readonly stack: string },
): Promise<void> {
  const certificates = new ThingCertificates(iot, thing);
  const isThere = await hasThing(iot, thing);
  if (isThere) {
    for (const certificate of await certificates.list())
      await removeCertificate(iot, certificates, thing, certificate, say);
    await onceDetached(
      () => iot.send(new DeleteThingCommand({ thingName: thing })),
      `the certificates of ${thing} are detached, and AWS IoT does not see that yet; do it again in some minutes`,
    );
  }
  await removePolicy(iot, corePolicyName(stack, thing));
  say(`thing ${thing}: ${isThere ? 'removed' : 'was not there'}`);
  if (folder.exists) say(`${folder.path} is of no use any more; remove it`);
}

async function removeCertificate(
  iot: IoTClient,
  certificates: ThingCertificates,
  thing: string,
  certificate: ThingCertificate,
  say: (text: string) => void,
): Promise<void> {
  const { id, arn: principal } = certificate;
  const { things = [] } = await iot.send(new ListPrincipalThingsCommand({ principal }));
  const isShared = things.some((name) => name !== thing);
  if (isShared) {
    await iot.send(new DetachThingPrincipalCommand({ thingName: thing, principal }));
    say(`certificate ${id}: stays, it is also of ${things.filter((name) => name !== thing).join(', ')}`);
    return;
  }
  // Whole, for whoever has to look for it: cut off before the last call, nothing leads from the thing to it any more.
  say(`certificate ${id}: is removed`);
  // Of one that is revoked the status can never be changed, nor need it be.
  if (certificate.status === 'ACTIVE') await certificates.setStatus(certificate, 'INACTIVE');
  for (const policyName of await certificates.policiesOf(certificate))
    await iot.send(new DetachPolicyCommand({ policyName, target: principal }));
  await iot.send(new DetachThingPrincipalCommand({ thingName: thing, principal }));
  await onceDetached(
    () => iot.send(new DeleteCertificateCommand({ certificateId: id })),
    `the certificate ${id} is detached, and AWS IoT does not see that yet; remove it in some minutes: aws iot delete-certificate --certificate-id ${id}, and do this again`,
  );
}

/** AWS IoT answers a detachment before it is one everywhere: mostly after seconds, for policies after up to five minutes. */
async function onceDetached(remove: () => Promise<unknown>, otherwise: string): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    try {
      await remove();
      return true;
    } catch (error) {
      const { name, message } = error as Error;
      if (name === 'DeleteConflictException' || (name === 'InvalidRequestException' && /still attached/.test(message)))
        return undefined;
      throw error;
    }
  };
  if ((await lookAgain(look, DETACHED_MS, new AbortController().signal)) === undefined) throw new CloudError(otherwise);
}

async function removePolicy(iot: IoTClient, policyName: string): Promise<void> {
  if ((await findPolicyDocument(iot, policyName)) === undefined) return;
  const { policyVersions = [] } = await iot.send(new ListPolicyVersionsCommand({ policyName }));
  for (const { versionId: policyVersionId, isDefaultVersion } of policyVersions)
    if (isDefaultVersion !== true) await iot.send(new DeletePolicyVersionCommand({ policyName, policyVersionId }));
  await onceDetached(
    () => iot.send(new DeletePolicyCommand({ policyName })),
    `the policy ${policyName} is detached, and AWS IoT does not see that yet; do it again in some minutes`,
  );
}
