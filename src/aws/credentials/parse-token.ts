import * as z from 'zod';
import type { FreshCredentials } from './cached-credentials';
import type { Times } from './judge-time';

export type ParsedToken = { readonly kind: 'token'; readonly fresh: FreshCredentials } | NoToken;

export type NoToken =
  /** Whoever vends tokens says why there is none. */
  | { readonly kind: 'refused'; readonly reason: string; readonly requestId: string | undefined }
  | { readonly kind: 'expired'; readonly expiration: string }
  | { readonly kind: 'unusable'; readonly problem: string };

/** What AssumeRole gives where nothing is said: also what is assumed of a token that does not name its end. */
const USUAL_LIFETIME_MS = 3_600_000;
/** No role gives more. */
const LONGEST_LIFETIME_MS = 12 * 3_600_000;
const MAX_BYTES = 32 * 1024;

const printable = (min: number, max: number) =>
  z
    .string()
    .min(min)
    .max(max)
    .regex(/^[\x21-\x7e]+$/);

/** As STS spells them; none of it may end a header and begin another. */
const tokenSchema = z.object({
  AccessKeyId: z.string().regex(/^\w{16,128}$/),
  SecretAccessKey: printable(16, 256),
  SessionToken: printable(1, 16 * 1024),
  Expiration: z.union([z.string(), z.number()]).optional(),
});

const refusalSchema = z.object({ error: z.string().min(1), requestId: z.string().optional() });

/** A message with temporary credentials. No word of it gets into what is told of it. */
export function parseToken(payload: Buffer, times: Times): ParsedToken {
  if (payload.length > MAX_BYTES) return unusable(`${payload.length} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(payload.toString());
  } catch {
    return unusable('no JSON');
  }
  return parseTokenObject(json, times);
}

export function parseTokenObject(json: unknown, times: Times): ParsedToken {
  const refusal = refusalSchema.safeParse(json);
  if (refusal.success) {
    const reason = refusal.data.error.replace(/[^\x20-\x7e]/g, ' ').slice(0, 200);
    return { kind: 'refused', reason, requestId: refusal.data.requestId };
  }
  const parsed = tokenSchema.safeParse(json);
  if (!parsed.success) {
    const fields = new Set(parsed.error.issues.map(({ path }) => String(path[0] ?? 'an object')));
    return unusable(`without a usable ${[...fields].join(', ')}`);
  }
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = parsed.data;
  const lifetimeMs = lifetimeOf(Expiration, times);
  if (Number.isNaN(lifetimeMs)) return unusable('with an Expiration that is no time');
  if (lifetimeMs <= 0) return { kind: 'expired', expiration: String(Expiration).slice(0, 40) };
  return {
    kind: 'token',
    fresh: {
      credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken },
      lifetimeMs: Math.min(lifetimeMs, LONGEST_LIFETIME_MS),
    },
  };
}

/** By the cloud's time. Where only our own clock could tell, an end that makes no sense is left to S3 to judge. */
function lifetimeOf(expiration: string | number | undefined, { nowMs, knownNowMs }: Times): number {
  if (expiration === undefined) return USUAL_LIFETIME_MS;
  const endsMs = typeof expiration === 'number' ? secondsToMs(expiration) : Date.parse(expiration);
  const lifetimeMs = endsMs - (knownNowMs ?? nowMs);
  const isSensible = lifetimeMs > 0 && lifetimeMs <= LONGEST_LIFETIME_MS;
  return Number.isNaN(lifetimeMs) || knownNowMs !== undefined || isSensible ? lifetimeMs : USUAL_LIFETIME_MS;
}

/** Unix seconds, or milliseconds as JavaScript has them. */
const secondsToMs = (value: number): number => (value < 1e11 ? value * 1000 : value);

const unusable = (problem: string): ParsedToken => ({ kind: 'unusable', problem });
