import { explainAwsError } from './account/explain-aws-error';
import { CommandError, InterruptedError } from './cloud-error';
import { BUCKET_HELP, bucket } from './commands/bucket';
import { JOB_HELP, job } from './commands/job';
import { SEND_HELP, send } from './commands/send';
import { THING_HELP, thing } from './commands/thing';
import { Screen } from './screen';
import { type FunctionCode, makeTemplate, renderTemplate } from './template/make-template';

/** Put here by the build. */
declare const FUNCTION_CODE: FunctionCode;

const HELP = `courier cloud: the account's side, by your own rights there

  courier cloud template    the CloudFormation template of all of it, on standard output

  courier cloud template > stack.yaml
  aws cloudformation deploy --stack-name courier --template-file stack.yaml --capabilities CAPABILITY_IAM

${THING_HELP}
${SEND_HELP}${JOB_HELP}${BUCKET_HELP}
  --stack NAME              the stack that was made of the template (default courier)
  --region, --profile, --endpoint-url
                            as the AWS CLI has them; environment and profiles count as there
`;

const screen = new Screen(process.stdout);
const { say } = screen;

async function run([command = '--help', ...rest]: readonly string[]): Promise<void> {
  switch (command) {
    case '--help':
    case 'help':
      return say(HELP);
    case 'template':
      return template(rest);
    case 'thing':
      return thing(rest, say);
    case 'send':
      return send(rest, screen);
    case 'job':
      return job(rest, screen);
    case 'bucket':
      return bucket(rest, screen);
    default:
      throw new CommandError(`no command "cloud ${command}"; see courier cloud --help`);
  }
}

async function template(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) return say(HELP);
  if (args.length > 0)
    throw new CommandError(
      `courier cloud template takes no "${args[0]}"; its parameters are given when it is deployed`,
    );
  say(renderTemplate(makeTemplate(FUNCTION_CODE)));
}

// Which Node.js we need is in package.json; the SDK would say something of its own at each command.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

// The AWS CLI knows both; the SDK the first alone.
const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
if (AWS_REGION === undefined && AWS_DEFAULT_REGION !== undefined) process.env.AWS_REGION = AWS_DEFAULT_REGION;

// Whoever reads may stop reading (head); what was begun goes on to its end. Else something is missing of it, and nobody
// would see that in what was written.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') return;
  process.stderr.write(`courier: the output cannot be written (${code}); see where it goes to, and do it again\n`);
  process.exitCode = 1;
});

run(process.argv.slice(2)).catch((error: unknown) => {
  screen.clear();
  for (const line of explainAwsError(error).split('\n')) process.stderr.write(`courier: ${line}\n`);
  process.exitCode = error instanceof CommandError ? 2 : 1;
  // What is under way is of no use any more, and may take its time.
  if (error instanceof InterruptedError) process.exit(130);
});
