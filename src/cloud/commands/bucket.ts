import { shellQuoted } from '../../domain/shell-quoted';
import { isDenied } from '../account/explain-aws-error';
import { type Account, type AccountOptions, openAccount } from '../account/open-account';
import { findStack, readStack } from '../account/read-stack';
import { describeAbandonedUploads } from '../bucket/abandoned-uploads';
import { Bucket } from '../bucket/bucket';
import { isSwitchedOn, readNotifications, switchedOn, switchOn } from '../bucket/event-bridge';
import { CloudError, CommandError } from '../cloud-error';
import type { Screen } from '../screen';
import { parseArguments } from './arguments';
import { interruptible } from './interruptible';

export const BUCKET_HELP = `  courier cloud bucket [NAME] [--print]
                            an existing bucket tells of its objects (EventBridge); what it tells others stays
`;

const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export async function bucket(args: readonly string[], screen: Screen): Promise<void> {
  const {
    values,
    positionals,
    account: options,
  } = parseArguments('bucket', args, { print: { type: 'boolean', default: false } });
  if (values.help) return screen.say(BUCKET_HELP);
  const [name, ...more] = positionals;
  if (more.length > 0) throw new CommandError('courier cloud bucket takes one bucket; see courier cloud --help');
  if (name !== undefined && !BUCKET_NAME.test(name))
    throw new CommandError(
      `"${name}" cannot be the name of a bucket: 3 to 63 of a-z 0-9 . -, neither . nor - at an end; see aws s3 ls`,
    );
  const account = openAccount(options);
  const meant = await findBucket(account, name, values.stack);
  const read = await readNotifications(meant);
  if (isSwitchedOn(read)) screen.say(`${meant.name} tells EventBridge of its objects already; nothing was changed`);
  else {
    const command = commandOf(meant, options, JSON.stringify(switchedOn(read)));
    if (values.print) return screen.say(command);
    const isSeen = await write(meant, read, command, screen);
    screen.say(
      isSeen
        ? `${meant.name} tells EventBridge of its objects now; what it tells others is as it was`
        : `S3 has taken it that ${meant.name} tells EventBridge of its objects, and does not show it yet; see in some minutes: aws s3api get-bucket-notification-configuration --bucket ${meant.name}`,
    );
  }
  if (!values.print) screen.say(await describeAbandonedUploads(meant));
}

/** Of the stack's account, where there is a stack. */
async function findBucket(account: Account, name: string | undefined, stackName: string): Promise<Bucket> {
  const stack = await (name === undefined ? readStack : findStack)(account, stackName);
  return new Bucket(account.s3, name ?? stack!.bucket, stack?.accountId);
}

async function write(
  meant: Bucket,
  read: Awaited<ReturnType<typeof readNotifications>>,
  command: string,
  screen: Screen,
): Promise<boolean> {
  try {
    return await interruptible(
      () => `stopped; see aws s3api get-bucket-notification-configuration --bucket ${meant.name}`,
      (signal) => switchOn(meant, read, signal),
    );
  } catch (error) {
    if (!(error instanceof CloudError && isDenied(error.cause))) throw error;
    screen.say(command);
    throw new CloudError(`${error.message}, or have the command above done by somebody who may`);
  }
}

/** One that replaces all of the configuration by what it is, and EventBridge. */
function commandOf({ name, owner }: Bucket, options: AccountOptions, configuration: string): string {
  const { region, endpointUrl } = options;
  return [
    `aws s3api put-bucket-notification-configuration --bucket ${name} --skip-destination-validation`,
    ...(owner === undefined ? [] : [`--expected-bucket-owner ${owner}`]),
    ...(region === undefined ? [] : [`--region ${shellQuoted(region)}`]),
    ...(endpointUrl === undefined ? [] : [`--endpoint-url ${shellQuoted(endpointUrl)}`]),
    `--notification-configuration ${shellQuoted(configuration)}`,
  ].join(' ');
}
