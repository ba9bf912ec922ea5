import type { Times } from './judge-time';
import { type ParsedToken, parseTokenObject } from './parse-token';

/** @param shadow `classic`, or the name of a named one */
export function shadowTopics(
  thing: string,
  shadow: string,
): Readonly<Record<'get' | 'answer' | 'refusal' | 'delta', string>> {
  const base = `$aws/things/${thing}/shadow${shadow === 'classic' ? '' : `/name/${shadow}`}`;
  return {
    get: `${base}/get`,
    answer: `${base}/get/accepted`,
    refusal: `${base}/get/rejected`,
    delta: `${base}/update/delta`,
  };
}

/** The token in a shadow's document, or in the difference that was told: the desired state itself, or one field of it. */
export function findShadowToken(payload: Buffer, times: Times): ParsedToken | undefined {
  let state: unknown;
  try {
    ({ state } = JSON.parse(payload.toString()) as { state?: unknown });
  } catch {
    return undefined;
  }
  const desired = fieldsOf(state).desired ?? state;
  const candidates = [desired, ...Object.values(fieldsOf(desired))];
  const found = candidates.find((one) => 'AccessKeyId' in fieldsOf(one));
  return found === undefined ? undefined : parseTokenObject(found, times);
}

const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
