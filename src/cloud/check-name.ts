import { THING_NAME } from '../domain/thing-name';
import { CommandError } from './cloud-error';

/** @throws CommandError when AWS IoT would not take it */
export function checkName(name: string, what: 'thing' | 'thing group' = 'thing'): void {
  if (!THING_NAME.test(name))
    throw new CommandError(
      `"${name}" cannot be the name of a ${what}: 1 to 128 of the characters a-z A-Z 0-9 : _ -, nothing else; name it so`,
    );
}
