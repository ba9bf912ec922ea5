import { isUtf8 } from 'node:buffer';

/**
 * A name on disk is bytes. For keys, logs and people: itself where it is printable UTF-8; in any other name `%XX` for
 * each byte that is not UTF-8 and for control characters, and `%25` for a `%` that would look like one of these. So no
 * two odd names become one; an odd name and a plain one may (`findNamesake`).
 */
export function printableName(name: Buffer): string {
  const text = name.toString('utf8');
  return isPlain(name, text) ? text : escapeOdd(name);
}

/** The one other name on disk that is printed like this one, if there can be one: `a%0Ab` for `a⏎b`, and the reverse. */
export function findNamesake(name: Buffer): Buffer | undefined {
  const printed = name.toString('utf8');
  if (!isPlain(name, printed)) return Buffer.from(escapeOdd(name));
  if (!LOOKS_ESCAPED.test(printed)) return undefined;
  const parts = printed.split(/%([0-9A-F]{2})/).map((part, i) => {
    if (i % 2 === 0) return Buffer.from(part);
    return LOOKS_ESCAPED.test(`%${part}`) ? Buffer.from(part, 'hex') : Buffer.from(`%${part}`);
  });
  const odd = Buffer.concat(parts);
  return !odd.equals(name) && printableName(odd) === printed ? odd : undefined;
}

const LOOKS_ESCAPED = /%(?:[01][0-9A-F]|7F|25|[89A-F][0-9A-F])/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const TO_ESCAPE = /[\u0000-\u001f\u007f]|%(?=[01][0-9A-F]|7F|25|[89A-F][0-9A-F])/g;

const isPlain = (name: Buffer, text: string): boolean => !CONTROL.test(text) && isUtf8(name);

function escapeOdd(name: Buffer): string {
  let text = '';
  let valid = 0; // start of the run of valid UTF-8 not yet written
  for (let i = 0; i < name.length; ) {
    const length = sequenceLength(name, i);
    if (length === 0) {
      text += escapeRun(name.toString('utf8', valid, i)) + percent(name[i]!);
      valid = i + 1;
    }
    i += Math.max(1, length);
  }
  return text + escapeRun(name.toString('utf8', valid));
}

/** Length of the valid UTF-8 sequence at `at`, or 0. */
function sequenceLength(name: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= name.length; length++) {
    if (isUtf8(name.subarray(at, at + length))) return length;
  }
  return 0;
}

const escapeRun = (text: string): string => text.replace(TO_ESCAPE, (one) => percent(one.charCodeAt(0)));

const percent = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
