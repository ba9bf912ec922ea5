import type { Account } from '../account';
import { isAllowed } from '../policy';
import type { PolicyContext } from '../policy-pattern';

/** Who is at the other end of an MQTT connection. */
export interface Device {
  readonly certificateId: string;
  readonly clientId: string;
}

export type IotAction = 'iot:Connect' | 'iot:Publish' | 'iot:RetainPublish' | 'iot:Subscribe' | 'iot:Receive';

const RESOURCE: Readonly<Record<IotAction, string>> = {
  'iot:Connect': 'client',
  'iot:Publish': 'topic',
  'iot:RetainPublish': 'topic',
  'iot:Subscribe': 'topicfilter',
  'iot:Receive': 'topic',
};

/** What the policy of the certificate says. In a filter `+` and `#` are characters like any other. */
export function mayDo(account: Account, device: Device, action: IotAction, name: string): boolean {
  const certificate = account.findCertificate(device.certificateId);
  if (certificate?.status !== 'ACTIVE') return false;
  const resource = `arn:aws:iot:${account.region}:${account.accountId}:${RESOURCE[action]}/${name}`;
  return isAllowed([certificate.policy], { action, resource, context: contextOf(account, device) });
}

/** The thing's variables have values only when the client id is the name of a thing that has this certificate. */
function contextOf(account: Account, { certificateId, clientId }: Device): PolicyContext {
  const thing = account.findThing(clientId);
  const isAttached = thing?.certificateIds.includes(certificateId) === true;
  return {
    'iot:clientid': clientId,
    'iot:connection.thing.isattached': String(isAttached),
    ...(isAttached
      ? { 'iot:connection.thing.thingname': clientId, 'iot:connection.thing.thingtypename': thing.thingType }
      : {}),
  };
}
