import type { Account } from '../account/open-account';
import { CloudError } from '../cloud-error';
import type { ThingOrder } from './add-thing';
import { ThingCertificates } from './thing-certificates';

/**
 * Certificates of a thing are good no more: all of them, or with `keepsFolder` all but the one in the folder. Idempotent.
 * @returns how many are revoked now
 */
export async function revokeThing(
  { iot }: Account,
  { thing, folder, say, keepsFolder }: Omit<ThingOrder, 'isCore'> & { readonly keepsFolder: boolean },
): Promise<number> {
  const certificates = new ThingCertificates(iot, thing);
  const attached = await certificates.list();
  const key = keepsFolder ? folder.findKey()?.key : undefined;
  const kept = attached.filter(({ pem, status }) => status === 'ACTIVE' && key?.asksFor(pem) === true);
  if (keepsFolder && kept.length === 0)
    throw new CloudError(
      `none of the certificates of ${thing} that are good is the one in ${folder.path}: without --former all are revoked; nothing was done`,
    );
  const wanted = attached.filter((one) => !kept.includes(one));
  for (const certificate of wanted) {
    if (certificate.status !== 'REVOKED') await certificates.setStatus(certificate, 'REVOKED');
    say(
      `certificate ${certificate.id.slice(0, 12)}…: ${certificate.status === 'REVOKED' ? 'was revoked before' : 'revoked'}`,
    );
  }
  for (const { id } of kept) say(`certificate ${id.slice(0, 12)}…: stays (${folder.path})`);
  return wanted.length;
}
