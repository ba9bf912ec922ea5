import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type RequestHead, uriEncode } from './request-head';

/** What a request says about its own signature. */
export interface SignatureClaim {
  presigned: boolean;
  accessKeyId: string;
  /** yyyymmdd/region/service/aws4_request */
  scope: string;
  scopeDate: string;
  region: string;
  service: string;
  /** yyyymmddThhmmssZ */
  amzDate: string;
  signedHeaders: string[];
  signature: string;
}

const signingKeys = new Map<string, Buffer>();

export function signingKey(secretAccessKey: string, claim: SignatureClaim): Buffer {
  const name = `${secretAccessKey}/${claim.scope}`;
  const known = signingKeys.get(name);
  if (known !== undefined) return known;
  let key = Buffer.from(`AWS4${secretAccessKey}`);
  for (const part of [claim.scopeDate, claim.region, claim.service, 'aws4_request']) {
    key = createHmac('sha256', key).update(part).digest();
  }
  if (signingKeys.size > 1000) signingKeys.clear();
  signingKeys.set(name, key);
  return key;
}

/** The two texts that S3 shows in its SignatureDoesNotMatch answer. */
export function textsToSign(
  head: RequestHead,
  claim: SignatureClaim,
  payloadHash: string,
): { canonicalRequest: string; stringToSign: string } {
  const query = head.query
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const headers = claim.signedHeaders
    .map((name) => `${name}:${(head.headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`)
    .join('');
  const canonicalRequest = [
    head.method,
    head.path.split('/').map(uriEncode).join('/'),
    query,
    headers,
    claim.signedHeaders.join(';'),
    payloadHash,
  ].join('\n');
  // latin1: header values are the bytes of the wire, everything else is ASCII by now.
  const hash = createHash('sha256').update(canonicalRequest, 'latin1').digest('hex');
  return { canonicalRequest, stringToSign: ['AWS4-HMAC-SHA256', claim.amzDate, claim.scope, hash].join('\n') };
}

export function signText(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

export function equalSignatures(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

/** Milliseconds, or undefined when it is not of the form yyyymmddThhmmssZ. */
export function parseAmzDate(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, ...number[]];
  return Date.UTC(year, month! - 1, day, hour, minute, second);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
