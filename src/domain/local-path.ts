import { createHash } from 'node:crypto';

/** Linux takes so many bytes for a name, and so many for a path. Our temporary names need some of the first. */
const MAX_NAME_BYTES = 255;
const KEPT_NAME_BYTES = 200;
const MAX_PATH_BYTES = 3_500;
/** Temporary files of ours begin so: nobody else's may. */
export const TEMPORARY_PREFIX = '.courier-';

export type LocalPath =
  /** Relative, names joined by slashes. `isMapped`: not what the remote name says, letter by letter. */
  { readonly path: string; readonly isMapped: boolean } | { readonly refused: string };

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const ODD = /[\u0000-\u001f\u007f\\]/g;

/**
 * Where a remote name may lie below a folder of ours: the only way from a remote name to the disk. What would leave
 * the folder is refused. Control characters, backslashes, and names that Linux or we cannot take are spelt another way
 * and carry a digest of the original: no two remote names become one.
 */
export function localPathOf(remote: string): LocalPath {
  if (remote === '') return { refused: 'it names no file' };
  if (remote.includes('\0')) return { refused: 'it contains a zero byte' };
  if (Buffer.from(remote).toString() !== remote) return { refused: 'it is not valid Unicode' };
  if (remote.startsWith('/')) return { refused: 'it begins with a slash' };
  if (remote.endsWith('/')) return { refused: 'it ends with a slash, as a folder does' };
  const names = remote.split('/');
  if (names.includes('')) return { refused: 'it has an empty folder name (//)' };
  if (names.some((name) => name === '..' || name === '.')) return { refused: 'it has . or .. for a folder' };
  const mapped = names.map(mappedName);
  const path = mapped.join('/');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return { refused: 'it is too long for a path' };
  return { path, isMapped: path !== remote };
}

function mappedName(name: string): string {
  const isFit = name.search(ODD) < 0 && Buffer.byteLength(name) <= MAX_NAME_BYTES && !name.startsWith(TEMPORARY_PREFIX);
  if (isFit) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 12);
  const plain = name.replace(ODD, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
  const [stem, extension] = splitExtension(plain.startsWith(TEMPORARY_PREFIX) ? `_${plain.slice(1)}` : plain);
  return `${cut(stem, KEPT_NAME_BYTES)}~${digest}${extension}`;
}

/** `a.tar` and `.gz`; an extension longer than a word is none. */
function splitExtension(name: string): [stem: string, extension: string] {
  const at = name.lastIndexOf('.');
  const extension = at > 0 ? name.slice(at) : '';
  return extension.length > 1 && Buffer.byteLength(extension) <= 16 ? [name.slice(0, at), extension] : [name, ''];
}

function cut(text: string, bytes: number): string {
  let kept = '';
  let length = 0;
  for (const character of text) {
    length += Buffer.byteLength(character);
    if (length > bytes) break;
    kept += character;
  }
  return kept;
}
