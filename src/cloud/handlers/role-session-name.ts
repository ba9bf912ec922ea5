import { createHash } from 'node:crypto';

const MAX_LENGTH = 64;

/** The session's name at STS, of a thing: it takes 2 to 64 of `[\w+=,.@-]`, and two things must not come to one name. */
export function roleSessionName(thing: string): string {
  if (/^[\w+=,.@-]{2,64}$/.test(thing)) return thing;
  const hash = createHash('sha256').update(thing).digest('hex').slice(0, 12);
  return `${thing.replace(/[^\w+=,.@-]/g, '-').slice(0, MAX_LENGTH - hash.length - 1)}-${hash}`;
}
