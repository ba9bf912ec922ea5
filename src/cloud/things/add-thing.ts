import type { Account } from '../account/open-account';
import type { Stack } from '../account/read-stack';
import { CloudError } from '../cloud-error';
import { putCorePolicy } from './core-policy';
import { makeConfig, makeCoreFiles, ROOT_CA_FILE } from './device-files';
import type { DeviceKey } from './device-key';
import { ensureThing, readEndpoints } from './registry';
import { findRootCa } from './root-ca';
import { type ThingCertificate, ThingCertificates } from './thing-certificates';
import { CERTIFICATE_FILE, type ThingFolder } from './thing-folder';

export interface ThingOrder {
  readonly thing: string;
  /** What goes onto the device; made if it is not there. */
  readonly folder: ThingFolder;
  /** A Greengrass core device. */
  readonly isCore: boolean;
  readonly say: (text: string) => void;
}

/**
 * A thing with one certificate, and the folder that goes onto the device. May be cut off at any moment and done again: it
 * goes on from there. The key is on the disk before its certificate is asked for, and by the key an answer that never
 * came is found again.
 * @throws CloudError when the thing has a certificate of another key
 */
export async function addThing({ iot }: Account, stack: Stack, order: ThingOrder): Promise<void> {
  const { thing, folder, isCore, say } = order;
  const isNew = await ensureThing(iot, thing, stack.name);
  say(`thing ${thing}: ${isNew ? 'made' : 'there'}`);
  const certificates = new ThingCertificates(iot, thing);
  const attached = await certificates.list();
  const known = folder.findKey();
  const own = known && attached.find(({ pem }) => known.key.asksFor(pem));
  if (own === undefined && attached.length > 0) throw otherKey(order, attached);
  const found = own ?? (known && (await certificates.findLoose(known.key, known.sinceMs)));
  if (found === undefined && folder.findCertificate() !== undefined)
    throw new CloudError(
      `${folder.path} holds a certificate that this account does not know; take another --profile or --region, or move the folder away and add the thing again`,
    );
  if (found !== undefined && found.status !== 'ACTIVE') throw notGood(order, found, own !== undefined);
  const key = known?.key ?? folder.makeKey();
  const certificate = found ?? (await certificates.create(key));
  say(`certificate ${certificate.id.slice(0, 12)}…: ${found === undefined ? 'made' : 'there'}, ${certificate.status}`);
  const policy = isCore ? await putCorePolicy(iot, stack, thing) : stack.thingPolicy;
  await certificates.attach(certificate, [policy]);
  say(`policy ${policy}: attached`);
  warnOfMismatch(key, certificate, say);
  await writeFiles({ iot }, stack, order, certificate);
}

/** What the folder lacks is written; what a person may have changed stays. */
export async function writeFiles(
  { iot }: Pick<Account, 'iot'>,
  stack: Stack,
  { thing, folder, isCore, say }: ThingOrder,
  { pem }: Pick<ThingCertificate, 'pem'>,
): Promise<void> {
  const endpoints = await readEndpoints(iot);
  const files = isCore
    ? makeCoreFiles(stack, thing, endpoints)
    : { 'courier.yaml': makeConfig(stack, thing, endpoints) };
  for (const [name, content] of Object.entries({ ...files, [ROOT_CA_FILE]: findRootCa() }))
    folder.writeIfMissing(name, content);
  folder.write(CERTIFICATE_FILE, pem);
  const archive = `${thing}.tar`;
  await folder.pack(archive);
  say(`${folder.path}: ${folder.list().join(' ')}`);
}

function otherKey({ thing, folder, isCore }: ThingOrder, attached: readonly ThingCertificate[]): CloudError {
  const list = attached.map(({ id, status }) => `${id.slice(0, 12)}… (${status})`).join(', ');
  const lack = folder.exists ? `it is not of the key in ${folder.path}` : `its key is not here (${folder.path})`;
  return new CloudError(
    `${thing} has a certificate already, ${list}, and ${lack}; run this where its folder is, or have another one made: courier cloud thing rotate ${thing}${isCore ? ' --core' : ''}`,
  );
}

/** @param isAttached to the thing: what is not, is not found by `rotate` */
function notGood({ thing, folder }: ThingOrder, { id, status }: ThingCertificate, isAttached: boolean): CloudError {
  const again =
    status === 'INACTIVE'
      ? `make it good again: aws iot update-certificate --certificate-id ${id} --new-status ACTIVE, or `
      : '';
  const another = isAttached
    ? `have another one made: courier cloud thing rotate ${thing}`
    : `move ${folder.path} away and add the thing again`;
  return new CloudError(
    `the certificate of ${thing}, ${id.slice(0, 12)}…, is ${status}, and no device can connect with it; ${again}${another}`,
  );
}

/** AWS IoT signs the key that was sent. Whoever does not is no AWS. */
function warnOfMismatch(key: DeviceKey, certificate: ThingCertificate, say: (text: string) => void): void {
  if (!key.fits(certificate.pem))
    say(
      'warning: the certificate is not of the private key, which AWS IoT never does; no device can connect with the two',
    );
}
