import { parseArgs } from 'node:util';
import { DemoFailure } from './demo-failure';
import { DemoReport } from './demo-report';
import { DEMO_SOURCES, DemoSite } from './demo-site';
import { ProgressScreen } from './progress-screen';
import { runDemo } from './run-demo';

// npm run demo [-- --once] [--json] [--keep] [--credentials SOURCE]

const HELP = `npm run demo -- [options]

  --once   end when the demo's files are delivered and compared, do not stay up for your own
  --json   the last line on stdout is the result as JSON; text for people goes to stderr
  --keep   leave the temp folder where it is
  --credentials role-alias | token-exchange | mqtt-token
           how the device gets its credentials; default role-alias. A token by message is good for PutObject
           alone: then nothing comes down
  --help   this`;

/** Of the whole run, before stopping: the part that may take long is the waiting. */
const DONE_WITHIN_MS = 80_000;

function parseCommandLine() {
  try {
    const flag = { type: 'boolean', default: false } as const;
    const credentials = { type: 'string', default: 'role-alias' } as const;
    return parseArgs({ options: { once: flag, json: flag, keep: flag, help: flag, credentials } }).values;
  } catch (cause) {
    throw new DemoFailure(`${(cause as Error).message}; see npm run demo -- --help`, { cause });
  }
}

async function main(): Promise<number> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'; // of the one who puts objects into the inbox
  const { once, json, keep, help, credentials } = parseCommandLine();
  if (help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const source = DEMO_SOURCES.find((name) => name === credentials);
  if (source === undefined)
    throw new DemoFailure(`no credentials "${credentials}"; there are ${DEMO_SOURCES.join(', ')}`);
  const deadlineMs = performance.now() + DONE_WITHIN_MS;
  const interrupted = new AbortController();
  // Kept, not once: npm and tsx hand on the Ctrl-C that the terminal gave us already.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort());
  // Nobody reads any more (a closed terminal, `| head`): there is still a folder to remove.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => interrupted.abort());

  const screen = new ProgressScreen(json ? process.stderr : process.stdout);
  const report = new DemoReport(source);
  let site: DemoSite | undefined;
  try {
    site = await DemoSite.open(source);
    await runDemo({ site, screen, report, once, deadlineMs, signal: interrupted.signal });
  } catch (error) {
    report.problems.push(explain(error));
  }
  screen.clear();
  try {
    await site?.close(keep);
    if (keep && site !== undefined) screen.say(`kept: ${site.root}`);
  } catch (error) {
    report.problems.push(explain(error));
  }
  for (const problem of report.problems) screen.say(`demo: ${problem}`);
  if (json) process.stdout.write(`${report.toJson()}\n`);
  return report.problems.length === 0 ? 0 : 1;
}

function explain(error: unknown): string {
  if (error instanceof DemoFailure) return error.message;
  if (!(error instanceof Error)) return String(error);
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk is full (${error.message}); the demo takes 250 MB, set TMPDIR to a folder with room`;
    case 'EACCES':
    case 'EROFS':
      return `${error.message}; set TMPDIR to a folder you may write to`;
    default:
      return error.stack ?? error.message;
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`demo: ${explain(error)}\n`);
    process.exitCode = 1;
  },
);
