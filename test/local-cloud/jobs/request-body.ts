import { JobsError } from './jobs-error';

/** Pairs in `statusDetails`. */
export const MAX_DETAILS = 10;
const MAX_VALUE_CHARACTERS = 1024;
const KEY = /^[a-zA-Z0-9:_-]{1,128}$/;
/** Neither control characters nor anything else of Unicode's category "other": line breaks, zero-width joiners. */
const VALUE = /^[^\p{C}]+$/u;
const MAX_STEP_MINUTES = 7 * 24 * 60;

/** The fields of a device's request, each checked when it is asked for; null is as good as absent. */
export class RequestBody {
  private constructor(readonly fields: Readonly<Record<string, unknown>>) {}

  /** Nothing at all is an empty request. @throws JobsError */
  static parse(payload: Buffer): RequestBody {
    if (payload.length === 0) return new RequestBody({});
    let parsed: unknown;
    try {
      parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    } catch {
      throw new JobsError('InvalidJson', 'The contents of the request could not be interpreted as valid JSON.');
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid('an object is expected');
    return new RequestBody(parsed as Record<string, unknown>);
  }

  get clientToken(): string | undefined {
    return this.text('clientToken');
  }

  text(name: string): string | undefined {
    const value = this.fields[name] ?? undefined;
    if (value !== undefined && typeof value !== 'string') throw invalid(`${name} is not a string`);
    return value;
  }

  flag(name: string): boolean | undefined {
    const value = this.fields[name] ?? undefined;
    if (value !== undefined && typeof value !== 'boolean') throw invalid(`${name} is not a boolean`);
    return value;
  }

  /** A number, or its digits: the documentation shows both. */
  integer(name: string): number | undefined {
    const value = this.fields[name] ?? undefined;
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw invalid(`${name} is not a whole number`);
    return number;
  }

  /** -1 stops the timer. */
  stepTimeoutMinutes(): number | undefined {
    const minutes = this.integer('stepTimeoutInMinutes');
    if (minutes === undefined || minutes === -1 || (minutes >= 1 && minutes <= MAX_STEP_MINUTES)) return minutes;
    throw invalid(`stepTimeoutInMinutes must be -1, or 1 to ${MAX_STEP_MINUTES}`);
  }

  statusDetails(): Readonly<Record<string, string>> | undefined {
    const value = this.fields.statusDetails ?? undefined;
    return value === undefined ? undefined : checkStatusDetails(value);
  }
}

/** @throws JobsError */
export function checkStatusDetails(details: unknown): Readonly<Record<string, string>> {
  if (typeof details !== 'object' || details === null || Array.isArray(details))
    throw invalid('statusDetails is not a map');
  const pairs = Object.entries(details);
  if (pairs.length > MAX_DETAILS) throw invalid(`statusDetails has more than ${MAX_DETAILS} pairs`);
  for (const [key, value] of pairs) {
    if (!KEY.test(key)) throw invalid(`statusDetails: the key ${JSON.stringify(key)} is not of [a-zA-Z0-9:_-]{1,128}`);
    if (typeof value !== 'string') throw invalid(`statusDetails: the value of ${key} is not a string`);
    if (value.length > MAX_VALUE_CHARACTERS)
      throw invalid(`statusDetails: the value of ${key} has more than ${MAX_VALUE_CHARACTERS} characters`);
    if (!VALUE.test(value)) throw invalid(`statusDetails: the value of ${key} is empty or has control characters`);
  }
  return details as Record<string, string>;
}

function invalid(problem: string): JobsError {
  return new JobsError('InvalidRequest', problem);
}
