import { formatBytes } from '../../domain/format-bytes';
import { isDenied } from '../account/explain-aws-error';
import { type Account, openAccount } from '../account/open-account';
import { readStack, type Stack } from '../account/read-stack';
import { Bucket } from '../bucket/bucket';
import { checkName } from '../check-name';
import { CommandError } from '../cloud-error';
import { findLocalFiles } from '../files/local-files';
import type { Arrival } from '../inbox/find-arrival';
import { type SentFile, sendFiles } from '../inbox/send-files';
import { watchArrivals } from '../inbox/watch-arrivals';
import { findTargets } from '../jobs/job-targets';
import type { Screen } from '../screen';
import { parseArguments } from './arguments';
import { parseDuration } from './duration';
import { interruptible } from './interruptible';

export const SEND_HELP = `  courier cloud send THING FILE… [--wait [--timeout 1h]] [--replace] [--json]
                            into the inbox of a thing; --wait: until they have come down
`;

export async function send(args: readonly string[], screen: Screen): Promise<void> {
  const {
    values,
    positionals,
    account: options,
  } = parseArguments('send', args, {
    wait: { type: 'boolean', default: false },
    timeout: { type: 'string' },
    replace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  });
  if (values.help) return screen.say(SEND_HELP);
  const [thing, ...paths] = positionals;
  if (thing === undefined || paths.length === 0)
    throw new CommandError("courier cloud send takes a thing's name and files; see courier cloud --help");
  if (values.timeout !== undefined && !values.wait)
    throw new CommandError('--timeout is of --wait; give both, or none');
  checkName(thing);
  const timeout = values.timeout ?? '1h';
  const timeoutMs = parseDuration('--timeout', timeout) * 1000;
  const files = findLocalFiles(paths);
  const account = openAccount(options);
  const stack = await readStack(account, values.stack);
  await checkThing(account, stack, thing);
  const bucket = new Bucket(account.s3, stack.bucket, stack.accountId);
  let isSent = false;
  const stopped = (): string =>
    isSent
      ? 'stopped waiting; the files lie in the inbox, and come down by themselves'
      : 'stopped; what was told as sent comes down by itself, send the rest again';
  const tell = (sent: SentFile, event: 'sent' | Arrival['state'], key: string, text: string): void =>
    screen.say(
      values.json
        ? JSON.stringify({ event, file: sent.file.path, key, sizeBytes: sent.file.sizeBytes, id: sent.id })
        : text,
    );
  await interruptible(stopped, async (signal) => {
    const sent = await sendFiles(
      bucket,
      {
        thing,
        files,
        replaces: values.replace,
        screen,
        onSent: (one) =>
          tell(one, 'sent', one.key, `${one.file.name}: sent, ${formatBytes(one.file.sizeBytes)} to ${one.key}`),
      },
      signal,
    );
    isSent = true;
    if (!values.wait) return;
    await watchArrivals(
      bucket,
      {
        thing,
        sent,
        archivePrefix: stack.archivePrefix,
        timeoutMs,
        timeout,
        screen,
        onArrival: (one, arrival) =>
          arrival.state === 'archived'
            ? tell(one, 'archived', arrival.key, `${one.file.name}: on ${thing}, archived as ${arrival.key}`)
            : tell(one, arrival.state, one.key, `${one.file.name}: ${arrival.state}`),
      },
      signal,
    );
  });
}

/** Nobody looks into the inbox of a name that was mistyped. Who may not ask AWS IoT is believed. @throws CloudError */
async function checkThing({ iot }: Account, stack: Stack, thing: string): Promise<void> {
  try {
    await findTargets(iot, stack, { things: [thing], groups: [] });
  } catch (error) {
    if (!isDenied(error)) throw error;
  }
}
