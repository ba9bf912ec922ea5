import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { AccountOptions } from '../account/open-account';
import { CommandError } from '../cloud-error';
import { type SaidAgain, saidAgain } from './said-again';

/** The stack that is meant where none is named. */
const USUAL_STACK = 'courier';

type Options = NonNullable<ParseArgsConfig['options']>;

/** What every command takes that speaks to the account. */
const ACCOUNT = {
  stack: { type: 'string', default: USUAL_STACK },
  region: { type: 'string' },
  profile: { type: 'string' },
  'endpoint-url': { type: 'string' },
  help: { type: 'boolean', default: false },
} as const satisfies Options;

export interface Arguments<T extends Options> {
  readonly values: ReturnType<typeof parseArgs<{ options: typeof ACCOUNT & T; allowPositionals: true }>>['values'];
  readonly positionals: readonly string[];
  readonly account: AccountOptions;
  readonly again: SaidAgain;
}

/** @throws CommandError when an option is none of the command's */
export function parseArguments<const T extends Options>(
  command: string,
  args: readonly string[],
  options: T,
): Arguments<T> {
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...args], options: { ...ACCOUNT, ...options }, allowPositionals: true });
  } catch (error) {
    throw new CommandError(`${command}: ${(error as Error).message}; see courier cloud --help`);
  }
  const { values, positionals } = parsed;
  const { region, profile, 'endpoint-url': endpointUrl } = values as Record<string, string | undefined>;
  if (endpointUrl !== undefined && !URL.canParse(endpointUrl))
    throw new CommandError(`--endpoint-url is no URL: "${endpointUrl}"; write http://host:port`);
  const account = {
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(endpointUrl === undefined ? {} : { endpointUrl }),
  };
  const { stack, dir } = values as Record<string, string | undefined>;
  const again = saidAgain(account, { stack: stack === USUAL_STACK ? undefined : stack, dir });
  return { values: values as Arguments<T>['values'], positionals, account, again };
}
