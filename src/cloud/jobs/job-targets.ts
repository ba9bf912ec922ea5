import { DescribeThingCommand, DescribeThingGroupCommand, type IoTClient } from '@aws-sdk/client-iot';
import type { Stack } from '../account/read-stack';
import { unlessMissing } from '../account/unless-missing';
import { checkName } from '../check-name';
import { CloudError, CommandError } from '../cloud-error';

export interface TargetNames {
  readonly things: readonly string[];
  readonly groups: readonly string[];
}

const MAX_TARGETS = 100;

/** @throws CommandError when a name cannot be one */
export function checkTargetNames({ things, groups }: TargetNames): void {
  if (things.length + groups.length === 0)
    throw new CommandError('courier cloud job takes a thing or a group; name it by --thing or --group');
  if (things.length + groups.length > MAX_TARGETS)
    throw new CommandError(
      `${things.length + groups.length} targets are more than the ${MAX_TARGETS} that AWS IoT takes; make a thing group of them (aws iot create-thing-group)`,
    );
  for (const name of things) checkName(name);
  for (const name of groups) checkName(name, 'thing group');
}

/** @returns their ARNs @throws CloudError with all that are not there, a line each */
export async function findTargets(iot: IoTClient, stack: Stack, { things, groups }: TargetNames): Promise<string[]> {
  const arn = (resource: string): string => `arn:${stack.partition}:iot:${stack.region}:${stack.accountId}:${resource}`;
  const missing: string[] = [];
  for (const thingName of things)
    if ((await unlessMissing(iot.send(new DescribeThingCommand({ thingName })))) === undefined)
      missing.push(
        `there is no thing ${thingName} in ${stack.region}; see courier cloud thing ls, or aws iot list-things`,
      );
  for (const thingGroupName of groups)
    if ((await unlessMissing(iot.send(new DescribeThingGroupCommand({ thingGroupName })))) === undefined)
      missing.push(
        `there is no thing group ${thingGroupName} in ${stack.region}; see aws iot list-thing-groups, or make it: aws iot create-thing-group`,
      );
  if (missing.length > 0) throw new CloudError(missing.join('\n'));
  return [
    ...new Set([...things.map((name) => arn(`thing/${name}`)), ...groups.map((name) => arn(`thinggroup/${name}`))]),
  ];
}
