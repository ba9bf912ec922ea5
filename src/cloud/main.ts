import { type FunctionCode, makeTemplate, renderTemplate } from './template/make-template';

/** Put here by the build. */
declare const FUNCTION_CODE: FunctionCode;

const HELP = `courier cloud: the account's side

  courier cloud template    the CloudFormation template of all of it, on standard output

  courier cloud template > stack.yaml
  aws cloudformation deploy --stack-name courier --template-file stack.yaml --capabilities CAPABILITY_IAM
`;

class CommandError extends Error {}

/** @returns what is to be said */
function answer([command = '--help', ...rest]: readonly string[]): string {
  if (command === '--help' || command === 'help') return HELP;
  if (command !== 'template') throw new CommandError(`no command "cloud ${command}"; see courier cloud --help`);
  if (rest.includes('--help')) return HELP;
  if (rest.length > 0)
    throw new CommandError(
      `courier cloud template takes no "${rest[0]}"; its parameters are given when it is deployed`,
    );
  return renderTemplate(makeTemplate(FUNCTION_CODE));
}

try {
  process.stdout.write(answer(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`courier: ${(error as Error).message}\n`);
  process.exitCode = error instanceof CommandError ? 2 : 1;
}
