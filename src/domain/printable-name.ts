import { isUtf8 } from 'node:buffer';

/**
 * A name on disk is bytes. For keys, logs and people: UTF-8 where it is UTF-8, `%XX` for every other byte and for
 * control characters. A name that itself has such a `%XX` gets `%25` for its `%`: no two names become one.
 */
export function printableName(name: Buffer): string {
  if (isUtf8(name)) return escapeControls(name.toString('utf8'));
  let text = '';
  let valid = 0; // start of the run of valid UTF-8 not yet written
  for (let i = 0; i < name.length; ) {
    const length = sequenceLength(name, i);
    if (length === 0) {
      text += escapeControls(name.toString('utf8', valid, i)) + percent(name[i]!);
      valid = i + 1;
    }
    i += Math.max(1, length);
  }
  return text + escapeControls(name.toString('utf8', valid));
}

/** Length of the valid UTF-8 sequence at `at`, or 0. */
function sequenceLength(name: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= name.length; length++) {
    if (isUtf8(name.subarray(at, at + length))) return length;
  }
  return 0;
}

const escapeControls = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  text.replace(/[\u0000-\u001f\u007f]|%(?=[01][0-9A-F]|7F|25|[89A-F][0-9A-F])/g, (one) => percent(one.charCodeAt(0)));

const percent = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
