import {
  CreateThingCommand,
  DescribeEndpointCommand,
  DescribeThingCommand,
  type DescribeThingCommandOutput,
  type IoTClient,
  UpdateThingCommand,
} from '@aws-sdk/client-iot';
import { unlessMissing } from '../account/unless-missing';
import type { Endpoints } from './device-files';

/** By this attribute of a thing its stack is told: `thing ls` asks for it. */
export const STACK_ATTRIBUTE = 'courier';

/** Makes the thing if it is not there, and marks it as the stack's. Idempotent. @returns whether it was made */
export async function ensureThing(iot: IoTClient, thingName: string, stack: string): Promise<boolean> {
  const mark = { attributes: { [STACK_ATTRIBUTE]: stack } };
  const existing = await findThing(iot, thingName);
  if (existing === undefined) await iot.send(new CreateThingCommand({ thingName, attributePayload: mark }));
  else if (existing.attributes?.[STACK_ATTRIBUTE] !== stack)
    await iot.send(new UpdateThingCommand({ thingName, attributePayload: { ...mark, merge: true } }));
  return existing === undefined;
}

export const hasThing = async (iot: IoTClient, thingName: string): Promise<boolean> =>
  (await findThing(iot, thingName)) !== undefined;

const findThing = (iot: IoTClient, thingName: string): Promise<DescribeThingCommandOutput | undefined> =>
  unlessMissing(iot.send(new DescribeThingCommand({ thingName })));

export async function readEndpoints(iot: IoTClient): Promise<Endpoints> {
  const of = async (endpointType: string): Promise<string> =>
    (await iot.send(new DescribeEndpointCommand({ endpointType }))).endpointAddress!;
  return { data: await of('iot:Data-ATS'), credentials: await of('iot:CredentialProvider') };
}
