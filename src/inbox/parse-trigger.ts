/** What a message on the pull topic asks for. `id` is whoever's asks, and comes back with each result. */
export type Trigger =
  | { readonly kind: 'all'; readonly id: string | undefined }
  | { readonly kind: 'keys'; readonly keys: readonly string[]; readonly id: string | undefined }
  /** Nothing to do, and nothing wrong: S3 tries a notification out. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'refused'; readonly reason: string; readonly id: string | undefined };

const MAX_KEYS = 10_000;
const MAX_ID_CHARACTERS = 128;
const EXPECTED = 'send {}, {"keys":["…"]}, or an event of S3, SNS or EventBridge as it is';

/**
 * Understands an empty message, `{}`, `{"keys":[…]}`, and the events of S3, SNS and EventBridge as they are. S3 spells
 * keys as forms do (`+` for a space, `%XX`), EventBridge does not.
 * @param bucket ours: an event of another is refused
 */
export function parseTrigger(payload: Buffer, bucket: string): Trigger {
  if (payload.length === 0) return { kind: 'all', id: undefined };
  let value: unknown;
  try {
    value = JSON.parse(payload.toString());
  } catch {
    return refused(`it is not JSON; ${EXPECTED}`);
  }
  return parseValue(value, bucket, 0);
}

function parseValue(value: unknown, bucket: string, depth: number): Trigger {
  if (!isObject(value)) return refused(`it is no object; ${EXPECTED}`);
  if (value.Event === 's3:TestEvent') return { kind: 'nothing' };
  if (Array.isArray(value.Records)) return parseRecords(value.Records, bucket, depth);
  if (value.Type === 'Notification' && typeof value.Message === 'string')
    return parseInner(value.Message, bucket, depth);
  if (isObject(value.detail) && 'detail-type' in value) return parseDetail(value.detail, value['detail-type'], bucket);
  return parsePlain(value);
}

function parsePlain({ keys, id, ...rest }: Record<string, unknown>): Trigger {
  const known =
    typeof id === 'string' ? id.slice(0, MAX_ID_CHARACTERS) : typeof id === 'number' ? String(id) : undefined;
  const [odd] = Object.keys(rest);
  if (odd !== undefined) return refused(`it has "${odd.slice(0, 40)}"; ${EXPECTED}`, known);
  if (id !== undefined && known === undefined)
    return refused('its id is neither text nor number; send one of these', known);
  if (keys === undefined) return { kind: 'all', id: known };
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string' && key !== ''))
    return refused('its keys are no list of texts; send {"keys":["…"]}', known);
  if (keys.length > MAX_KEYS)
    return refused(`it has ${keys.length} keys, at most ${MAX_KEYS} are taken; send {} instead`, known);
  return { kind: 'keys', keys: [...new Set(keys as string[])], id: known };
}

function parseRecords(records: readonly unknown[], bucket: string, depth: number): Trigger {
  const keys: string[] = [];
  for (const record of records) {
    if (!isObject(record)) return refused(`one of its records is no object; ${EXPECTED}`);
    const sns = record.Sns;
    if (isObject(sns) && typeof sns.Message === 'string') {
      const inner = parseInner(sns.Message, bucket, depth);
      if (inner.kind === 'refused') return inner;
      if (inner.kind === 'keys') keys.push(...inner.keys);
      continue;
    }
    const s3 = record.s3;
    if (!isObject(s3) || !isObject(s3.object) || typeof s3.object.key !== 'string')
      return refused(`one of its records is none of S3's; ${EXPECTED}`);
    if (isObject(s3.bucket) && s3.bucket.name !== bucket) return refused(otherBucket(s3.bucket.name, bucket));
    if (typeof record.eventName === 'string' && !/^(s3:)?ObjectCreated:/.test(record.eventName)) continue;
    try {
      keys.push(decodeURIComponent(s3.object.key.replaceAll('+', ' ')));
    } catch {
      return refused(`the key "${s3.object.key.slice(0, 200)}" is not spelt as S3 spells keys in events`);
    }
  }
  return keys.length === 0 ? { kind: 'nothing' } : { kind: 'keys', keys: [...new Set(keys)], id: undefined };
}

function parseDetail(detail: Record<string, unknown>, type: unknown, bucket: string): Trigger {
  if (type !== 'Object Created') return { kind: 'nothing' };
  if (!isObject(detail.object) || typeof detail.object.key !== 'string' || detail.object.key === '')
    return refused(`its detail names no object; ${EXPECTED}`);
  if (isObject(detail.bucket) && detail.bucket.name !== bucket) return refused(otherBucket(detail.bucket.name, bucket));
  return { kind: 'keys', keys: [detail.object.key], id: undefined };
}

/** An SNS message carries the event as text. */
function parseInner(message: string, bucket: string, depth: number): Trigger {
  if (depth > 1) return refused(`events within events within events; ${EXPECTED}`);
  try {
    return parseValue(JSON.parse(message), bucket, depth + 1);
  } catch {
    return refused(`the SNS message is not JSON; ${EXPECTED}`);
  }
}

const refused = (reason: string, id?: string): Trigger => ({ kind: 'refused', reason, id });

const otherBucket = (name: unknown, bucket: string): string =>
  `it is about the bucket ${String(name).slice(0, 80)}, files come from ${bucket}; correct the rule, or s3.bucket`;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
