import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

/** What a session token says. The policy is a name that the account resolves: an alias, or a document it stored. */
export interface SessionClaims {
  accessKeyId: string;
  policyName: string;
  sessionPolicyName?: string;
  variables: Record<string, string>;
  expiresAtMs: number;
  /** tokens of an earlier generation count as expired */
  generation: number;
}

export interface SessionCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date;
}

/** AWS's tokens have about this many characters; a client that cannot carry them must fail here too. */
const TOKEN_BYTES = 825;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Session tokens that carry their own claims, sealed with a secret that the account keeps: so they survive a restart
 * without being stored. Secret keys are derived from the access key id in the same way.
 */
export class SessionTokens {
  private readonly opened = new Map<string, SessionClaims>();

  constructor(private readonly secret: Buffer) {}

  issue(claims: Omit<SessionClaims, 'accessKeyId'>): SessionCredentials {
    const accessKeyId = `ASIA${base32(randomBytes(16))}`;
    const text = Buffer.from(JSON.stringify({ ...claims, accessKeyId }));
    const padded = Buffer.alloc(Math.max(TOKEN_BYTES - IV_BYTES - TAG_BYTES, text.length), ' ');
    text.copy(padded);
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.secret, iv);
    const sealed = Buffer.concat([iv, cipher.update(padded), cipher.final(), cipher.getAuthTag()]);
    return {
      accessKeyId,
      secretAccessKey: this.secretOf(accessKeyId),
      sessionToken: sealed.toString('base64'),
      expiration: new Date(claims.expiresAtMs),
    };
  }

  /** undefined when the token is none of ours or was altered. */
  open(token: string): SessionClaims | undefined {
    const known = this.opened.get(token);
    if (known !== undefined) return known;
    const claims = this.decrypt(Buffer.from(token, 'base64'));
    if (claims === undefined) return undefined;
    if (this.opened.size > 1000) this.opened.clear();
    this.opened.set(token, claims);
    return claims;
  }

  secretOf(accessKeyId: string): string {
    return createHmac('sha256', this.secret).update(accessKeyId).digest('base64').slice(0, 40);
  }

  private decrypt(sealed: Buffer): SessionClaims | undefined {
    if (sealed.length < IV_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.secret, sealed.subarray(0, IV_BYTES));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      const text = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
      return JSON.parse(text.toString()) as SessionClaims;
    } catch {
      return undefined;
    }
  }
}

export function base32(bytes: Buffer): string {
  return Array.from(bytes, (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte & 31]).join('');
}
