import { createHash } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AccessKeys } from './engine';
import { type Answer, sendHttp } from './send-http';
import { SignerSha256 } from './signer-sha256';

export interface SignedRequest {
  readonly endpoint: string;
  /** PEM text */
  readonly ca: string | undefined;
  readonly region: string;
  /** As the scope of the signature names it. */
  readonly service: 's3' | 'sts' | 'iam' | 'cloudformation' | 'iot' | 'lambda' | 'events' | 'logs';
  readonly keys: AccessKeys;
  readonly method: string;
  /** As it stands on the wire: escaped already. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** What `x-amz-content-sha256` says; the SHA-256 of the body when left out. */
  readonly payloadHash?: string;
  readonly signedAt?: Date;
}

/** One request signed by Signature V4, as it is. */
export async function sendSigned(call: SignedRequest): Promise<Answer> {
  const { endpoint, ca, method, path, query = {}, headers = {}, signedAt = new Date() } = call;
  const { protocol, hostname, host } = new URL(endpoint);
  const body = Buffer.from(call.body ?? '');
  const signed = await signerOf(call).sign(
    {
      protocol,
      hostname,
      method,
      path,
      query: { ...query },
      headers: {
        host,
        'content-length': String(body.length),
        ...headers,
        'x-amz-content-sha256': call.payloadHash ?? createHash('sha256').update(body).digest('hex'),
      },
    },
    { signingDate: signedAt },
  );
  return sendHttp({ endpoint, ca, method, path: withQuery(path, query), headers: signed.headers, body });
}

/** Path and query of a GET that whoever has it may send within `seconds` of `signedAt`. */
export async function presignGet(
  call: Pick<SignedRequest, 'endpoint' | 'region' | 'service' | 'keys' | 'path'>,
  seconds: number,
  signedAt: Date,
): Promise<string> {
  const { protocol, hostname, host } = new URL(call.endpoint);
  const headers = { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  const signed = await signerOf(call).presign(
    { protocol, hostname, method: 'GET', path: call.path, query: {}, headers },
    { expiresIn: seconds, signingDate: signedAt },
  );
  return withQuery(call.path, signed.query as Record<string, string>);
}

const signerOf = ({ service, region, keys }: Pick<SignedRequest, 'service' | 'region' | 'keys'>): SignatureV4 =>
  new SignatureV4({ service, region, credentials: keys, sha256: SignerSha256, uriEscapePath: false });

function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
  );
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}
