import type { Account } from '../account';
import type { PolicyDocument } from '../policy';
import type { PolicyContext } from '../policy-pattern';
import { adminPolicy } from '../seed-policies';
import { findQuery, type RequestHead } from './request-head';
import { accessDenied, S3Error } from './s3-error';
import { equalSignatures, parseAmzDate, type SignatureClaim, signingKey, signText, textsToSign } from './signature';

const MAX_SKEW_MS = 15 * 60_000;
const MAX_EXPIRES_SECONDS = 7 * 86_400;
const ADMIN_POLICIES = [adminPolicy()];

export interface Identity {
  policies: PolicyDocument[];
  variables: PolicyContext;
}

/** Who signed, and what the body's signatures go on from. */
export interface Authenticated {
  identity: Identity;
  claim: SignatureClaim;
  key: Buffer;
  /** the value of x-amz-content-sha256, UNSIGNED-PAYLOAD for presigned requests that have none */
  payloadHash: string;
}

/**
 * SigV4 as S3 checks it, from the head alone. Throws the S3Error that S3 would answer.
 * @param other for another service: its name in the scope, and the payload's hash where no header has to say it
 */
export function authenticate(
  head: RequestHead,
  account: Account,
  nowMs: number,
  other?: { service: string; payloadHash: string },
): Authenticated {
  const claim = parseClaim(head, other?.service ?? 's3');
  const payloadHash =
    other?.payloadHash ?? head.headers['x-amz-content-sha256'] ?? (claim.presigned ? 'UNSIGNED-PAYLOAD' : undefined);
  if (payloadHash === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  const { secretAccessKey, identity } = resolveKey(head, claim, account, nowMs);
  checkTimes(head, claim, nowMs);
  checkSignedHeaders(head, claim);
  const key = signingKey(secretAccessKey, claim);
  const texts = textsToSign(head, claim, payloadHash);
  if (!equalSignatures(signText(key, texts.stringToSign), claim.signature)) {
    throw new S3Error(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      {
        AWSAccessKeyId: claim.accessKeyId,
        StringToSign: texts.stringToSign,
        SignatureProvided: claim.signature,
        CanonicalRequest: texts.canonicalRequest,
      },
    );
  }
  return { identity, claim, key, payloadHash };
}

function resolveKey(
  head: RequestHead,
  claim: SignatureClaim,
  account: Account,
  nowMs: number,
): { secretAccessKey: string; identity: Identity } {
  const token = claim.presigned ? findQuery(head, 'X-Amz-Security-Token') : head.headers['x-amz-security-token'];
  if (token === undefined) {
    if (claim.accessKeyId !== account.admin.accessKeyId) {
      throw new S3Error('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.', {
        AWSAccessKeyId: claim.accessKeyId,
      });
    }
    const { secretAccessKey } = account.admin;
    return { secretAccessKey, identity: { policies: ADMIN_POLICIES, variables: {} } };
  }
  const claims = account.tokens.open(token);
  if (claims === undefined || claims.accessKeyId !== claim.accessKeyId) {
    throw new S3Error('InvalidToken', 'The provided token is malformed or otherwise invalid.', { 'Token-0': token });
  }
  if (account.isExpired(claims, nowMs)) {
    throw new S3Error('ExpiredToken', 'The provided token has expired.', { 'Token-0': token });
  }
  const variables = Object.fromEntries(Object.entries(claims.variables).map(([k, v]) => [k.toLowerCase(), v]));
  return {
    secretAccessKey: account.tokens.secretOf(claim.accessKeyId),
    identity: { policies: account.policiesOf(claims), variables },
  };
}

function parseClaim(head: RequestHead, service: string): SignatureClaim {
  const authorization = head.headers.authorization;
  const algorithm = findQuery(head, 'X-Amz-Algorithm');
  if (authorization !== undefined && algorithm !== undefined) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed');
  }
  if (authorization !== undefined) return parseHeader(head, authorization, service);
  if (algorithm !== undefined) return parsePresigned(head, service);
  throw accessDenied();
}

function parseHeader(head: RequestHead, authorization: string, service: string): SignatureClaim {
  const match =
    /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (match === null) throw malformedHeader('the authorization header does not have the expected form.');
  const amzDate = head.headers['x-amz-date'];
  if (amzDate === undefined || parseAmzDate(amzDate) === undefined) {
    throw accessDenied('AWS authentication requires a valid Date or x-amz-date header');
  }
  const scope = parseScope(match[1]!);
  if (scope === undefined) {
    throw malformedHeader(
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    );
  }
  const problem = scopeProblem(scope, amzDate, service);
  if (problem !== undefined) throw malformedHeader(problem);
  return { presigned: false, ...scope, amzDate, signedHeaders: match[2]!.split(';'), signature: match[3]! };
}

function parsePresigned(head: RequestHead, service: string): SignatureClaim {
  const [algorithm, credential, amzDate, expires, signedHeaders, signature] = [
    'X-Amz-Algorithm',
    'X-Amz-Credential',
    'X-Amz-Date',
    'X-Amz-Expires',
    'X-Amz-SignedHeaders',
    'X-Amz-Signature',
  ].map((name) => findQuery(head, name));
  const values = [algorithm, credential, amzDate, expires, signedHeaders, signature];
  if (values.some((value) => value === undefined)) {
    throw badQuery(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    );
  }
  if (algorithm !== 'AWS4-HMAC-SHA256') throw badQuery('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  if (parseAmzDate(amzDate!) === undefined) {
    throw badQuery("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  if (!/^\d+$/.test(expires!)) throw badQuery('X-Amz-Expires should be a number');
  if (Number(expires) > MAX_EXPIRES_SECONDS) {
    throw badQuery(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    );
  }
  const scope = parseScope(credential!);
  if (scope === undefined) {
    throw badQuery(
      'Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    );
  }
  const problem = scopeProblem(scope, amzDate!, service);
  if (problem !== undefined) throw badQuery(`Error parsing the X-Amz-Credential parameter; ${problem}`);
  return {
    presigned: true,
    ...scope,
    amzDate: amzDate!,
    signedHeaders: signedHeaders!.split(';'),
    signature: signature!,
  };
}

type Scope = Pick<SignatureClaim, 'accessKeyId' | 'scope' | 'scopeDate' | 'region' | 'service'>;

function parseScope(credential: string): Scope | undefined {
  const match = /^([^/]+)\/((\d{8})\/([^/]+)\/([^/]+)\/aws4_request)$/.exec(credential);
  if (match === null) return undefined;
  return { accessKeyId: match[1]!, scope: match[2]!, scopeDate: match[3]!, region: match[4]!, service: match[5]! };
}

function scopeProblem(scope: Scope, amzDate: string, service: string): string | undefined {
  if (scope.service !== service) return `incorrect service "${scope.service}". This endpoint belongs to "${service}".`;
  if (!amzDate.startsWith(scope.scopeDate)) {
    return `Invalid credential date "${scope.scopeDate}". This date is not the same as X-Amz-Date: "${amzDate.slice(0, 8)}".`;
  }
  return undefined;
}

function checkTimes(head: RequestHead, claim: SignatureClaim, nowMs: number): void {
  const signedAtMs = parseAmzDate(claim.amzDate)!;
  const serverTime = new Date(nowMs).toISOString().replace(/\.\d+/, '');
  if (!claim.presigned) {
    if (Math.abs(nowMs - signedAtMs) <= MAX_SKEW_MS) return;
    throw new S3Error(
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      {
        RequestTime: claim.amzDate,
        ServerTime: serverTime,
        MaxAllowedSkewMilliseconds: MAX_SKEW_MS,
      },
    );
  }
  if (signedAtMs - nowMs > MAX_SKEW_MS) throw accessDenied('Request is not yet valid');
  const expires = findQuery(head, 'X-Amz-Expires')!;
  const endsAtMs = signedAtMs + Number(expires) * 1000;
  if (nowMs > endsAtMs) {
    throw accessDenied('Request has expired', {
      'X-Amz-Expires': expires,
      Expires: new Date(endsAtMs).toISOString().replace(/\.\d+/, ''),
      ServerTime: serverTime,
    });
  }
}

function checkSignedHeaders(head: RequestHead, claim: SignatureClaim): void {
  const signed = new Set(claim.signedHeaders);
  const unsigned = Object.keys(head.headers).filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.has(name),
  );
  if (unsigned.length > 0) {
    throw accessDenied('There were headers present in the request which were not signed', {
      HeadersNotSigned: unsigned.join(', '),
    });
  }
}

function malformedHeader(problem: string): S3Error {
  return new S3Error('AuthorizationHeaderMalformed', `The authorization header is malformed; ${problem}`);
}

function badQuery(problem: string): S3Error {
  return new S3Error('AuthorizationQueryParametersError', problem);
}
