import type { Account } from '../account/open-account';
import type { Stack } from '../account/read-stack';
import { CloudError } from '../cloud-error';
import { type ThingOrder, writeFiles } from './add-thing';
import { corePolicyName, putCorePolicy } from './core-policy';
import { type ThingCertificate, ThingCertificates } from './thing-certificates';
import { ThingFolder } from './thing-folder';

/** What a person may have changed goes along. */
const SETTINGS = ['courier.yaml', 'deployment.json', 'nucleus.yaml', 'nucleus-lite.yaml'];

/**
 * A second certificate beside the first, which stays good until it is revoked: the device must never be without one.
 * May be cut off at any moment and done again. The folder is replaced when all of it is there; the former one is kept.
 * @returns the certificates that are still good besides the new one
 */
export async function rotateThing(
  account: Account,
  stack: Stack,
  { thing, folder, isCore: isToBeCore, say }: ThingOrder,
): Promise<{ readonly former: readonly ThingCertificate[]; readonly isCore: boolean }> {
  const certificates = new ThingCertificates(account.iot, thing);
  const attached = await certificates.list();
  const next = new ThingFolder(`${folder.path}.next`);
  const known = next.findKey();
  const active = attached.filter(({ status }) => status === 'ACTIVE');
  if (attached.length === 0) throw new CloudError(`${thing} has no certificate; courier cloud thing add ${thing}`);
  const policies = await policiesOfAll(certificates, attached);
  const isCore = isToBeCore || policies.includes(corePolicyName(stack.name, thing));
  if (known === undefined && active.length > 1) {
    say(`${thing} has ${active.length} certificates that are good: a rotation is under way`);
    const key = folder.findKey()?.key;
    return { former: active.filter(({ pem }) => key?.asksFor(pem) !== true), isCore };
  }
  const found =
    known &&
    (attached.find(({ pem }) => known.key.asksFor(pem)) ?? (await certificates.findLoose(known.key, known.sinceMs)));
  const key = known?.key ?? next.makeKey();
  const certificate = found ?? (await certificates.create(key));
  say(`certificate ${certificate.id.slice(0, 12)}…: ${found === undefined ? 'made' : 'there'}`);
  // Of a certificate that was made elsewhere, the policies do not let a device take credentials by our role alias.
  const needed = isCore ? await putCorePolicy(account.iot, stack, thing) : stack.thingPolicy;
  await certificates.attach(certificate, [...new Set([...policies, needed])]);
  next.copyFrom(folder, SETTINGS);
  await writeFiles(account, stack, { thing, folder: next, isCore, say: () => undefined }, certificate);
  if (folder.exists) {
    const kept = folder.moveTo(freePath(`${folder.path}.former`));
    say(`${kept.path}: what was in ${folder.path}`);
  }
  next.moveTo(folder.path);
  say(`${folder.path}: ${folder.list().join(' ')}`);
  return { former: active.filter(({ id }) => id !== certificate.id), isCore };
}

async function policiesOfAll(
  certificates: ThingCertificates,
  attached: readonly ThingCertificate[],
): Promise<readonly string[]> {
  const lists = await Promise.all(attached.map((one) => certificates.policiesOf(one)));
  return [...new Set(lists.flat())];
}

function freePath(path: string): string {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? path : `${path}-${n}`;
    if (!new ThingFolder(candidate).exists) return candidate;
  }
}
