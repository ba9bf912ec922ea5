import type { SessionCredentials } from '../session-tokens';
import { type RequestHead, uriEncode } from './request-head';
import { type SignatureClaim, signingKey, signText, textsToSign } from './signature';

export interface PresignRequest {
  /** `https://host:port` */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly key: string;
  readonly credentials: Pick<SessionCredentials, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'>;
  readonly expiresSeconds: number;
  readonly nowMs: number;
}

/** A URL whose holder may GET the object (SigV4 in the query), in path style. */
export function presignUrl(request: PresignRequest): string {
  const { endpoint, region, bucket, key, credentials, expiresSeconds, nowMs } = request;
  const amzDate = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '');
  const scopeDate = amzDate.slice(0, 8);
  const claim: SignatureClaim = {
    presigned: true,
    accessKeyId: credentials.accessKeyId,
    scope: `${scopeDate}/${region}/s3/aws4_request`,
    scopeDate,
    region,
    service: 's3',
    amzDate,
    signedHeaders: ['host'],
    signature: '',
  };
  const path = `/${bucket}/${key}`;
  const query: RequestHead['query'] = [
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${claim.accessKeyId}/${claim.scope}`],
    ['X-Amz-Date', amzDate],
    ['X-Amz-Expires', String(expiresSeconds)],
    ['X-Amz-SignedHeaders', 'host'],
    ['X-Amz-Security-Token', credentials.sessionToken],
  ];
  const head: RequestHead = { method: 'GET', headers: { host: new URL(endpoint).host }, path, query, bucket, key };
  const { stringToSign } = textsToSign(head, claim, 'UNSIGNED-PAYLOAD');
  const signature = signText(signingKey(credentials.secretAccessKey, claim), stringToSign);
  const pairs = [...query, ['X-Amz-Signature', signature] as const].map(
    ([name, value]) => `${name}=${uriEncode(value)}`,
  );
  return `${endpoint}${path.split('/').map(uriEncode).join('/')}?${pairs.join('&')}`;
}
