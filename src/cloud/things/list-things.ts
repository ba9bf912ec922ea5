import { paginateListThings } from '@aws-sdk/client-iot';
import type { Account } from '../account/open-account';
import { STACK_ATTRIBUTE } from './registry';
import { type ThingCertificate, ThingCertificates } from './thing-certificates';

export interface ListedThing {
  readonly thing: string;
  readonly certificates: readonly Omit<ThingCertificate, 'pem'>[];
}

/** The things of a stack, as they are found: three requests each, of which AWS IoT takes about ten a second. */
export async function* listThings({ iot }: Account, stack: string): AsyncGenerator<ListedThing> {
  const ofStack = { attributeName: STACK_ATTRIBUTE, attributeValue: stack };
  for await (const { things = [] } of paginateListThings({ client: iot }, ofStack))
    for (const { thingName } of things) {
      const certificates = await new ThingCertificates(iot, thingName!).list();
      yield { thing: thingName!, certificates: certificates.map(({ pem: _, ...rest }) => rest) };
    }
}
