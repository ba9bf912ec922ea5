import { createHmac, hash } from 'node:crypto';
import type { SessionCredentials } from '../credentials/session-credentials';

export interface UnsignedRequest {
  readonly method: 'PUT' | 'HEAD' | 'DELETE';
  /** As it stands on the wire: escaped already. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case; all of them are signed. `x-amz-content-sha256` is among them. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface SignedRequest {
  /** With query. */
  readonly path: string;
  readonly headers: Record<string, string>;
}

interface HeaderShape {
  readonly names: readonly string[];
  readonly sorted: readonly string[];
  readonly signedNames: string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * Signature Version 4, for what the requests look like that each small file costs and nothing else: the general signer
 * took an eighth of all its CPU. A test holds it to @smithy/signature-v4.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export class RequestSigner {
  #key: { readonly of: string; readonly bytes: Buffer } | undefined;
  #shape: HeaderShape | undefined;

  constructor(private readonly region: string) {}

  sign(
    { method, path, query, headers: given }: UnsignedRequest,
    credentials: SessionCredentials,
    date: Date,
  ): SignedRequest {
    const at = date.toISOString().replace(/[-:]|\.\d{3}/g, '');
    const day = at.slice(0, 8);
    const headers: Record<string, string> = { ...given, 'x-amz-date': at };
    if (credentials.sessionToken !== '') headers['x-amz-security-token'] = credentials.sessionToken;
    const { sorted, signedNames } = this.#shapeOf(headers);
    const search = queryOf(query);
    let lines = '';
    for (const name of sorted) lines += `${name}:${canonicalValue(headers[name]!)}\n`;
    const canonical = `${method}\n${path}\n${search}\n${lines}\n${signedNames}\n${headers['x-amz-content-sha256']}`;
    const scope = `${day}/${this.region}/s3/aws4_request`;
    const toSign = `${ALGORITHM}\n${at}\n${scope}\n${hash('sha256', canonical)}`;
    const signature = createHmac('sha256', this.#keyOf(credentials, day)).update(toSign).digest('hex');
    headers.authorization = `${ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signedNames}, Signature=${signature}`;
    return { path: search === '' ? path : `${path}?${search}`, headers };
  }

  /** One request looks like the one before: its names are not sorted again. */
  #shapeOf(headers: Readonly<Record<string, string>>): HeaderShape {
    const names = Object.keys(headers);
    const last = this.#shape;
    if (last?.names.length === names.length && names.every((name, i) => name === last.names[i])) return last;
    const sorted = names.toSorted();
    this.#shape = { names, sorted, signedNames: sorted.join(';') };
    return this.#shape;
  }

  /** Good for one day and one secret. */
  #keyOf({ secretAccessKey }: SessionCredentials, day: string): Buffer {
    const of = day + secretAccessKey;
    if (this.#key?.of !== of) {
      let bytes: string | Buffer = `AWS4${secretAccessKey}`;
      for (const step of [day, this.region, 's3', 'aws4_request'])
        bytes = createHmac('sha256', bytes).update(step).digest();
      this.#key = { of, bytes: bytes as Buffer };
    }
    return this.#key.bytes;
  }
}

/** Sorted, as signed and as sent. */
function queryOf(query: Readonly<Record<string, string>>): string {
  return Object.keys(query)
    .sort()
    .map((name) => `${escapeUri(name)}=${escapeUri(query[name]!)}`)
    .join('&');
}

/** Runs of blanks count as one, and none at the ends. */
const canonicalValue = (value: string): string =>
  ODD_BLANKS.test(value) ? value.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '') : value;
const ODD_BLANKS = /^ |\t| {2}| $/;

/** Each byte that is not unreserved becomes %XX. */
export const escapeUri = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
