import { join } from 'node:path';
import { type Account, openAccount } from '../account/open-account';
import { readStack } from '../account/read-stack';
import { checkName } from '../check-name';
import { CommandError } from '../cloud-error';
import { addThing, type ThingOrder } from '../things/add-thing';
import { type ListedThing, listThings } from '../things/list-things';
import { nextOnCore, nextOnDevice } from '../things/next-step';
import { removeThing } from '../things/remove-thing';
import { revokeThing } from '../things/revoke-thing';
import { rotateThing } from '../things/rotate-thing';
import { ThingFolder } from '../things/thing-folder';
import { withLock } from '../things/with-lock';
import { parseArguments } from './arguments';
import type { SaidAgain } from './said-again';

export const THING_HELP = `  courier cloud thing add NAME [--core] [--dir DIR]
                            a thing, its certificate and policy; writes NAME/: what goes onto the device
  courier cloud thing rotate NAME [--core]
                            a new certificate beside the old one; then, when the device has it: revoke NAME --former
  courier cloud thing revoke NAME [--former]
                            its certificates are good no more; --former: all but the one in NAME/
  courier cloud thing rm NAME
                            the thing and its certificates leave the account; its files in the bucket stay
  courier cloud thing ls [--json]
                            the things of the stack, and how long their certificates are good
`;

const SUBCOMMANDS = ['add', 'rotate', 'revoke', 'rm', 'ls'] as const;
type Subcommand = (typeof SUBCOMMANDS)[number];

const OPTIONS = {
  core: { type: 'boolean' },
  dir: { type: 'string' },
  former: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;
/** One that is another's is refused: `rm --former` would remove more than it says. */
const TAKES: Readonly<Record<Subcommand, readonly (keyof typeof OPTIONS)[]>> = {
  add: ['core', 'dir'],
  rotate: ['core', 'dir'],
  revoke: ['former', 'dir'],
  rm: ['dir'],
  ls: ['json'],
};

const isSubcommand = (text: string): text is Subcommand => (SUBCOMMANDS as readonly string[]).includes(text);

export async function thing(args: readonly string[], say: (text: string) => void): Promise<void> {
  const [subcommand = '', ...rest] = args;
  if (subcommand === '--help') return say(THING_HELP);
  if (!isSubcommand(subcommand))
    throw new CommandError(
      `courier cloud thing takes ${SUBCOMMANDS.join(', ')}, not "${subcommand}"; see courier cloud --help`,
    );
  const { values, positionals, account: options, again } = parseArguments(`thing ${subcommand}`, rest, OPTIONS);
  if (values.help) return say(THING_HELP);
  for (const option of Object.keys(OPTIONS) as (keyof typeof OPTIONS)[])
    if (values[option] !== undefined && !TAKES[subcommand].includes(option))
      throw new CommandError(`courier cloud thing ${subcommand} takes no --${option}; see courier cloud --help`);
  const { core: isCore = false, dir = '.', former: keepsFolder = false } = values;
  const account = openAccount(options);
  if (subcommand === 'ls') {
    if (positionals.length > 0)
      throw new CommandError(
        `courier cloud thing ls lists all, and takes no "${positionals[0]}"; see courier cloud --help`,
      );
    for await (const found of listThings(account, values.stack))
      say(values.json ? JSON.stringify(found) : present(found));
    return;
  }
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0)
    throw new CommandError(`courier cloud thing ${subcommand} takes one thing's name; see courier cloud --help`);
  // Told with a dot, for names of things may look like those of hosts or options.
  const folder = new ThingFolder(dir === '.' ? `./${name}` : join(dir, name));
  checkName(name);
  const order = { thing: name, folder, isCore, say };
  const run = (): Promise<void> => change(subcommand, account, values.stack, order, keepsFolder, again);
  // What is stolen is revoked from anywhere, also where nothing can be written.
  await (subcommand === 'add' || subcommand === 'rotate' ? withLock(`${folder.path}.lock`, run) : run());
}

async function change(
  subcommand: Exclude<Subcommand, 'ls'>,
  account: Account,
  stackName: string,
  order: ThingOrder,
  keepsFolder: boolean,
  again: SaidAgain,
): Promise<void> {
  const { thing: name, folder, say } = order;
  const to = { thing: name, path: folder.path, again: again.aws };
  switch (subcommand) {
    case 'add':
      await addThing(account, await readStack(account, stackName), order);
      return say(order.isCore ? nextOnCore(to) : nextOnDevice(to));
    case 'rotate': {
      const { former, isCore } = await rotateThing(account, await readStack(account, stackName), order);
      say(isCore ? nextOnCore(to) : nextOnDevice(to));
      if (former.length === 0) return;
      const ids = former.map(({ id }) => `${id.slice(0, 12)}…`).join(', ');
      const words = name.startsWith('-') ? `--former${again.courier} -- ${name}` : `${name} --former${again.courier}`;
      return say(
        `When the device has been seen with it (courier status there), end the former, ${ids}:\n\n  courier cloud thing revoke ${words}\n`,
      );
    }
    case 'revoke': {
      const count = await revokeThing(account, { ...order, keepsFolder });
      return say(
        count === 0
          ? `${name} has no ${keepsFolder ? 'other ' : ''}certificate that could be revoked`
          : 'Credentials that were given for them before end by themselves, by default within an hour.',
      );
    }
    case 'rm':
      return removeThing(account, { ...order, stack: stackName });
  }
}

function present({ thing, certificates }: ListedThing): string {
  const described = certificates.map(
    ({ id, status, validUntil }) =>
      `${id.slice(0, 12)}… ${status}${validUntil === undefined ? '' : ` until ${validUntil.toISOString().slice(0, 10)}`}`,
  );
  return `${thing}  ${described.join(', ') || 'no certificate; courier cloud thing add makes one'}`;
}
