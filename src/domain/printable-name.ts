import { isUtf8 } from 'node:buffer';

/** A name on disk is bytes. For keys, logs and people: UTF-8 where it is UTF-8, `%XX` for every other byte and for control characters. */
export function printableName(name: Buffer): string {
  if (isUtf8(name)) return escapeControls(name.toString('utf8'));
  let text = '';
  for (let i = 0; i < name.length; ) {
    const length = sequenceLength(name, i);
    text += length > 0 ? escapeControls(name.toString('utf8', i, i + length)) : percent(name[i]!);
    i += Math.max(1, length);
  }
  return text;
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
  text.replace(/[\u0000-\u001f\u007f]/g, (control) => percent(control.charCodeAt(0)));

const percent = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
