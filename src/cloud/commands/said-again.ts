import type { AccountOptions } from '../account/open-account';
import { quoted } from '../files/local-files';

/** Options that whoever is told to say a command next has to give again; each with a blank before it. */
export interface SaidAgain {
  /** For the AWS CLI. */
  readonly aws: string;
  /** For `courier cloud`. */
  readonly courier: string;
}

/** @param own of the command itself: `--stack`, where it is not the usual one */
export function saidAgain({ region, profile, endpointUrl }: AccountOptions, own: SaidOptions): SaidAgain {
  const aws = written({ region, profile, 'endpoint-url': endpointUrl });
  return { aws, courier: written(own) + aws };
}

type SaidOptions = Readonly<Record<string, string | undefined>>;

const written = (options: SaidOptions): string =>
  Object.entries(options)
    .map(([name, value]) => (value === undefined ? '' : ` --${name} ${quoted(value)}`))
    .join('');
