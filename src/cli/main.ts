import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type ControlRequest,
  DEFAULT_STATE_DIR,
  type DeliveryEvent,
  type StatusDocument,
  type UploadDetails,
  type UploadSummary,
} from '../control/protocol';
import { formatBytes } from '../domain/format-bytes';
import { VERSION } from '../version';
import { askDaemon } from './ask-daemon';
import { cloud } from './cloud';
import { presentList } from './ls';
import { run } from './run';
import { presentDetails } from './show';
import { presentStatus } from './status';

const HELP = `courier ${VERSION}: carries files between this device and S3

  courier run --config FILE [--config FILE…] [--state-dir DIR] [--log-level debug|info|warn|error]
                        run the daemon in the foreground; later files override earlier ones
  courier status        what it is doing, and what is wrong
  courier ls            uploads, newest first  [--state queued|uploading|done|superseded|failed] [--limit N] [--before ID]
  courier show ID       all that is known of one
  courier wait FILE     until the file, put into an outbox, is delivered; fails when it cannot be
  courier pull [KEY…]   fetch these objects now, or all that lies in the inbox
  courier events        what is delivered or fails, one JSON object a line, as it happens
  courier cloud …       the account's side; see courier cloud --help

  --json                the same for programs (status, ls, show, wait)
  --state-dir DIR       the daemon's state folder (default $COURIER_STATE_DIR, then ${DEFAULT_STATE_DIR})
`;

class CommandError extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const [command = '--help', ...rest] = args;
  if (command === 'run') return run(rest);
  if (command === 'cloud') return cloud(rest);
  if (command === '--version') return say(VERSION);
  if (command === '--help' || command === 'help') return say(HELP.trimEnd());
  const { values, positionals } = parse(rest);
  if (values.help) return say(HELP.trimEnd());
  const ask = <T>(request: ControlRequest): Promise<T> => askDaemon<T>(values['state-dir'], request);
  const answer = <T>(result: T, present: (result: T) => string): number =>
    say(values.json ? JSON.stringify(result) : present(result));
  switch (command) {
    case 'status':
      return answer(await ask<StatusDocument>({ command }), presentStatus);
    case 'ls':
      return answer(
        await ask<UploadSummary[]>({
          command,
          ...(values.state === undefined ? {} : { state: values.state }),
          ...(values.limit === undefined ? {} : { limit: count(values.limit, '--limit') }),
          ...(values.before === undefined ? {} : { before: count(values.before, '--before') }),
        }),
        presentList,
      );
    case 'show':
      return answer(
        await ask<UploadDetails>({ command, id: count(positionals[0] ?? '', 'courier show ID') }),
        presentDetails,
      );
    case 'wait':
      return answer(await ask<UploadSummary>({ command, path: absolute(positionals[0]) }), presentDelivery);
    case 'pull': {
      const { refused } = await ask<{ refused: string[] }>({ command, keys: positionals });
      if (refused.length > 0) throw new CommandError(refused.join('\n'));
      return say('asked for; courier status tells how far it is');
    }
    case 'events':
      await askDaemon<DeliveryEvent>(values['state-dir'], { command }, (event) => say(JSON.stringify(event)));
      return 0;
    default:
      throw new CommandError(`no command "${command}"; see courier --help`);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        'state-dir': { type: 'string', default: process.env.COURIER_STATE_DIR ?? DEFAULT_STATE_DIR },
        state: { type: 'string' },
        limit: { type: 'string' },
        before: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new CommandError(`${(error as Error).message}; see courier --help`);
  }
}

/** Through links above it, as the daemon knows its outboxes; the file itself may be gone already. */
function absolute(file: string | undefined): string {
  if (file === undefined) throw new CommandError('courier wait takes a file; see courier --help');
  const path = resolve(file);
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}

const presentDelivery = ({ path, key, outcome, sizeBytes }: UploadSummary): string =>
  `${path} ${outcome === 'skipped' ? 'skipped' : 'delivered'} (${formatBytes(sizeBytes)}): ${key}`;

function count(text: string, what: string): number {
  if (!/^\d+$/.test(text)) throw new CommandError(`${what} takes a number, not "${text}"`);
  return Number(text);
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    process.stderr.write(`courier: ${error.message}\n`);
    process.exitCode = error instanceof CommandError ? 2 : 1;
  },
);
