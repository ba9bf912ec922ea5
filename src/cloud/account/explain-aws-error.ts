import { CloudError } from '../cloud-error';

/** As an error of an AWS SDK comes: its name is the service's code. */
interface AwsError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly code?: string;
  readonly errors?: readonly (Error & { readonly code?: string })[];
}

const DENIED: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'UnauthorizedException',
  'UnauthorizedOperation',
  'Forbidden',
]);
const ENDED: ReadonlySet<string> = new Set(['ExpiredToken', 'ExpiredTokenException', 'RequestExpired']);
const UNKNOWN_KEYS: ReadonlySet<string> = new Set([
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
]);
const THROTTLED: ReadonlySet<string> = new Set([
  'Throttling',
  'ThrottlingException',
  'SlowDown',
  'TooManyRequestsException',
]);
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** @returns one sentence of what an operator can do about it */
export function explainAwsError(error: unknown): string {
  if (error instanceof CloudError) return error.message;
  const { name, message, errors } = error as AwsError;
  const said = message
    .trim()
    .replace(/^@smithy\S* - /, '') // who of the SDK says it
    .replace(/\.$/, '');
  if (isDenied(error)) return explainDenied(said);
  if (ENDED.has(name))
    return `the credentials have ended (${name}); sign in again (aws sso login), or take another --profile`;
  if (UNKNOWN_KEYS.has(name))
    return `AWS does not know these credentials (${name}: ${said}); see aws sts get-caller-identity, and --profile`;
  if (THROTTLED.has(name))
    return `AWS takes no more requests at the moment (${name}); do it again in a minute: it goes on where it was`;
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError')
    return `there are no credentials (${said}); aws configure sets them up, --profile names others`;
  if (/region is missing/i.test(said)) return 'no region is set; name one by --region, AWS_REGION or the profile';
  const [, region] = /^region not accepted: region="(.*?)"/i.exec(said) ?? [];
  if (region !== undefined) return `"${region}" cannot be a region; name one by --region, AWS_REGION or the profile`;
  const link = linkFailure(error as AwsError);
  if (link !== undefined)
    return `AWS does not answer (${link}: ${said || errors?.[0]?.message}); see the network, --region and --endpoint-url, and do it again: it goes on where it was`;
  return `${name}: ${said}; what was done stays, and the same command goes on from there`;
}

/** The link, or AWS itself for a moment: who waits may go on waiting. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { name, $metadata } = error as AwsError;
  return linkFailure(error) !== undefined || THROTTLED.has(name) || ($metadata?.httpStatusCode ?? 0) >= 500;
}

/** With several addresses each has its own. Of who says nothing there is none. */
const linkFailure = ({ name, code, errors = [] }: AwsError): string | undefined =>
  [code, ...errors.map((one) => one.code)].find((one) => UNREACHABLE.has(one ?? '')) ??
  (name === 'TimeoutError' ? name : undefined);

/** HEAD has no body to say so in. */
export function isDenied(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { name, $metadata } = error as AwsError;
  return DENIED.has(name) || ((name === 'Unknown' || name === '403') && $metadata?.httpStatusCode === 403);
}

/** IAM names who was denied what, mostly. */
function explainDenied(said: string): string {
  const [, who, action, resource] =
    /User: (\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?/.exec(said) ?? [];
  if (action === undefined) return `AWS denies it (${said}); ask for the right, or take another --profile`;
  // What forbids it may be of the organization, and no right that is given here helps against it.
  const [forbidden = ''] = / with an explicit deny in [\w -]+/.exec(said) ?? [];
  const what = `${action}${resource === undefined ? '' : ` on ${resource}`}${forbidden.replace(' with', ',')}`;
  return `${who} may not ${what}; allow that, or take another --profile, and do it again: it goes on where it was`;
}
