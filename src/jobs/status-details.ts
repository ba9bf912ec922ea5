/** What the cloud is told of an execution beside its status. Keys `[a-zA-Z0-9:_-]`, values of 1 to 1,024 characters, none of `\p{C}`. */
export type StatusDetails = Readonly<Record<string, string>>;

const MAX_PAIRS = 10;
const MAX_NAME = 128;
/** In UTF-16 units, of which AWS IoT may count less: never more. */
const MAX_VALUE = 1_024;

/**
 * As AWS IoT takes it: one control character in a message, and the report of the failure would itself fail.
 * https://docs.aws.amazon.com/iot/latest/apireference/API_iot-jobs-data_UpdateJobExecution.html
 */
export function statusDetails(pairs: Readonly<Record<string, string | number | undefined>>): StatusDetails {
  const clean: [string, string][] = [];
  for (const [name, value] of Object.entries(pairs)) {
    const key = name.replace(/[^a-zA-Z0-9:_-]/g, '_').slice(0, MAX_NAME);
    const text = cleanText(String(value ?? ''));
    if (key !== '' && text !== '' && clean.length < MAX_PAIRS) clean.push([key, text]);
  }
  return Object.fromEntries(clean);
}

function cleanText(text: string): string {
  const plain = wellFormed(text)
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  return plain.length <= MAX_VALUE ? plain : `${wellFormed(plain.slice(0, MAX_VALUE - 2)).replace(/\ufffd$/, '')}…`;
}

/** Half a character becomes U+FFFD: it would be no JSON text elsewhere. */
const wellFormed = (text: string): string => Buffer.from(text).toString();
