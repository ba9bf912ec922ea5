import { type Account, openAccount } from '../account/open-account';
import { readStack, type Stack } from '../account/read-stack';
import { Bucket } from '../bucket/bucket';
import { ProgressOfFiles } from '../bucket/progress-of-files';
import { CommandError } from '../cloud-error';
import { digestFile } from '../files/digest-file';
import { findLocalFiles, type LocalFile } from '../files/local-files';
import { createJob, isMade } from '../jobs/create-job';
import { type FileOfJob, type JobPlan, planJob, type Unpack } from '../jobs/job-plan';
import { checkTargetNames, findTargets } from '../jobs/job-targets';
import { withPacked } from '../jobs/pack-files';
import { putObjects } from '../jobs/put-objects';
import { watchJob } from '../jobs/watch-job';
import type { Screen } from '../screen';
import { parseArguments } from './arguments';
import { parseDuration } from './duration';
import { interruptible } from './interruptible';
import type { SaidAgain } from './said-again';

export const JOB_HELP = `  courier cloud job (--thing NAME | --group NAME)… --file FILE… [--wait]
                            one IoT job that brings files, by URLs that expire; the same command again goes on
      [--path PATH] [--unpack zip|tar.gz | --pack] [--expires 1h] [--operation WORD] [--id ID]
  courier cloud job --id ID --wait [--timeout 1h]
                            how far a job has come
`;

const MIN_EXPIRES_SECONDS = 60;
const MAX_EXPIRES_SECONDS = 3_600;
/** Signed, a URL has 1.1 to 1.7 KB, and so much of a document comes through nucleus lite: 4.7 KB. */
const MAX_URLS_ON_LITE = 2;
const PACKED_NAME = 'files.tar.gz';

const OPTIONS = {
  thing: { type: 'string', multiple: true, default: [] as string[] },
  group: { type: 'string', multiple: true, default: [] as string[] },
  file: { type: 'string', multiple: true, default: [] as string[] },
  path: { type: 'string' },
  unpack: { type: 'string' },
  pack: { type: 'boolean', default: false },
  expires: { type: 'string', default: '1h' },
  operation: { type: 'string', default: 'download' },
  id: { type: 'string' },
  wait: { type: 'boolean', default: false },
  timeout: { type: 'string' },
} as const;
type Values = ReturnType<typeof parseArguments<typeof OPTIONS>>['values'];

export async function job(args: readonly string[], screen: Screen): Promise<void> {
  const { values, positionals, account: options, again } = parseArguments('job', args, OPTIONS);
  if (values.help) return screen.say(JOB_HELP);
  if (positionals.length > 0)
    throw new CommandError(
      `courier cloud job takes files by --file, not "${positionals[0]}"; see courier cloud --help`,
    );
  const wish = checkWish(values);
  const account = openAccount(options);
  if (wish === undefined) return watch(account, values.id!, values, screen, again);
  const files = findLocalFiles(values.file);
  const stack = await readStack(account, values.stack);
  const targets = await findTargets(account.iot, stack, { things: values.thing, groups: values.group });
  const make = async (
    these: readonly LocalFile[],
    unpack: Unpack | undefined,
    signal: AbortSignal,
  ): Promise<JobPlan> => {
    const digested = await digest(these, screen, signal);
    const plan = planJob(stack, { ...wish, files: digested, targets, unpack });
    await carryOut(account, stack, plan, screen, signal);
    return plan;
  };
  const { id } = await interruptible(
    () => 'stopped; the same command goes on from there',
    (signal) =>
      values.pack
        ? withPacked(files, PACKED_NAME, (archive) => make([archive], 'tar.gz', signal))
        : make(files, wish.unpack, signal),
  );
  if (!values.pack && files.length > MAX_URLS_ON_LITE)
    screen.say(
      `note: a document with ${files.length} URLs does not reach devices under nucleus lite; for those send one archive: --pack`,
    );
  if (values.wait) return watch(account, id, values, screen, again);
  screen.say(nextSteps(id, again));
}

/** @returns undefined when a job is only to be watched @throws CommandError */
function checkWish(values: Values) {
  const { thing, group, file, path, unpack, pack, id, operation } = values;
  if (id !== undefined && !/^[a-zA-Z0-9_-]{1,64}$/.test(id))
    throw new CommandError(`"${id}" cannot be the id of a job: 1 to 64 of the characters a-z A-Z 0-9 _ -; name it so`);
  if (values.timeout !== undefined && !values.wait)
    throw new CommandError('--timeout is of --wait; give both, or none');
  if (id !== undefined && values.wait && file.length + thing.length + group.length === 0) return undefined;
  checkTargetNames({ things: thing, groups: group });
  if (file.length === 0) throw new CommandError('courier cloud job takes files; name them by --file');
  if (unpack !== undefined && unpack !== 'zip' && unpack !== 'tar.gz')
    throw new CommandError(`--unpack takes zip or tar.gz, not "${unpack}"; pack the files so, or let --pack do it`);
  if (unpack !== undefined && (pack || file.length > 1))
    throw new CommandError('--unpack is of one archive that is there; several files are packed by --pack');
  if (!/^[^\p{C}]{1,128}$/u.test(operation))
    throw new CommandError('--operation takes a word of 1 to 128 characters; name one, or leave it');
  const expiresInSec = parseDuration('--expires', values.expires);
  if (expiresInSec < MIN_EXPIRES_SECONDS || expiresInSec > MAX_EXPIRES_SECONDS)
    throw new CommandError(
      `--expires ${values.expires} is not from 60s to 1h, which AWS IoT takes; a device that needs longer asks for a fresh URL, so 1h suffices`,
    );
  return { operation, path, unpack, expiresInSec, id } as const;
}

async function digest(files: readonly LocalFile[], screen: Screen, signal: AbortSignal): Promise<FileOfJob[]> {
  const progress = new ProgressOfFiles(files, screen, 'reading');
  const digested: FileOfJob[] = [];
  for (const file of files) {
    const sha256 = await digestFile(file, (doneBytes) => {
      signal.throwIfAborted();
      progress.show(file, doneBytes);
    });
    progress.end(file);
    digested.push({ file, sha256 });
  }
  screen.clear();
  return digested;
}

async function carryOut(
  { iot, s3 }: Account,
  stack: Stack,
  plan: JobPlan,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const wasMade = await isMade(iot, plan);
  try {
    await putObjects(new Bucket(s3, stack.bucket, stack.accountId), plan, screen, signal);
  } finally {
    screen.clear();
  }
  signal.throwIfAborted();
  const isNew = !wasMade && (await createJob(iot, plan));
  screen.say(`job ${plan.id}: ${isNew ? 'made' : 'there; for another of the same files give --id a new id'}`);
}

function watch({ iot }: Account, jobId: string, { timeout }: Values, screen: Screen, again: SaidAgain): Promise<void> {
  const timeoutMs = timeout === undefined ? Number.POSITIVE_INFINITY : parseDuration('--timeout', timeout) * 1000;
  return interruptible(
    () => `stopped watching; the job goes on. ${nextSteps(jobId, again)}`,
    (signal) => watchJob(iot, { jobId, timeoutMs, timeout, screen, again: again.courier }, signal),
  );
}

const nextSteps = (jobId: string, { aws, courier }: SaidAgain): string =>
  `Watch: courier cloud job --id ${jobId} --wait${courier}; cancel: aws iot cancel-job --job-id ${jobId}${aws}`;
