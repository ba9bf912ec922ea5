import { TransferError, UsageError } from './errors';

/** S3's limit, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 1024;

const OF_THE_THING = ['thing', 'thingType', 'certificateId'] as const;
const OF_THE_FILE = ['path', 'name', 'ext', 'id', 'yyyy', 'MM', 'dd', 'HH'] as const;
type ThingField = (typeof OF_THE_THING)[number];
type FileField = (typeof OF_THE_FILE)[number];

export type ThingFields = Readonly<Partial<Record<ThingField, string>>>;

export interface KeySubject {
  /** Relative to the outbox, `/` between folders, as `printableName` gives it. */
  readonly path: string;
  readonly mtimeMs: number;
  /** The upload's number in the ledger. */
  readonly id: number;
}

/** An object key with holes, for example `{thing}/outbox/{path}`. Dates are the file's mtime in UTC. */
export class KeyTemplate {
  /** Of the key: all that stands before the first hole a file fills, cut at its last `/`. Access is granted by such prefixes. */
  readonly prefix: string;
  readonly #parts: readonly (string | { readonly field: FileField })[];

  /** @throws UsageError for an unknown or unknowable placeholder */
  constructor(
    readonly text: string,
    thing: ThingFields,
  ) {
    this.#parts = parseTemplate(text, thing);
    const head = this.#parts[0];
    const literal = typeof head === 'string' ? head : '';
    this.prefix = literal.slice(0, literal.lastIndexOf('/') + 1);
  }

  /** @throws TransferError KEY_TOO_LONG */
  keyFor(subject: KeySubject): string {
    const key = this.#parts.map((part) => (typeof part === 'string' ? part : fill(part.field, subject))).join('');
    assertKeyLength(key);
    return key;
  }
}

export function assertKeyLength(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes > MAX_KEY_BYTES) {
    throw new TransferError(
      'KEY_TOO_LONG',
      `the object key would have ${bytes} bytes, S3 takes ${MAX_KEY_BYTES}; shorten the path or the key template`,
    );
  }
}

/** `a/b.txt` → `a/b-20261122T053800Z.txt`, with a counter from the second try on: the key an upload moves to when its own is taken. */
export function renamedKey(key: string, mtimeMs: number, tries: number): string {
  const stamp = `${new Date(mtimeMs).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  const suffix = tries === 1 ? `-${stamp}` : `-${stamp}-${tries}`;
  const { stem, ext } = splitExtension(key.slice(key.lastIndexOf('/') + 1));
  const renamed = `${key.slice(0, key.lastIndexOf('/') + 1)}${stem}${suffix}${ext && `.${ext}`}`;
  assertKeyLength(renamed);
  return renamed;
}

function parseTemplate(text: string, thing: ThingFields): (string | { field: FileField })[] {
  const parts: (string | { field: FileField })[] = [''];
  const literal = (more: string): void => {
    const last = parts.at(-1);
    if (typeof last === 'string') parts[parts.length - 1] = last + more;
    else parts.push(more);
  };
  for (const token of text.split(/(\{[^{}]*\})/)) {
    const name = /^\{(.*)\}$/s.exec(token)?.[1];
    if (name === undefined) {
      if (/[{}]/.test(token)) throw new UsageError(`key template "${text}": a brace without its partner; write {path}`);
      literal(token);
    } else if (isOneOf(OF_THE_FILE, name)) {
      parts.push({ field: name });
    } else if (isOneOf(OF_THE_THING, name)) {
      const value = thing[name];
      if (value === undefined || value === '')
        throw new UsageError(`key template "${text}": {${name}} is not known; ${NEXT_STEP[name]}`);
      literal(value);
    } else {
      throw new UsageError(
        `key template "${text}": no placeholder {${name}}; there are ${[...OF_THE_THING, ...OF_THE_FILE].map((f) => `{${f}}`).join(' ')}`,
      );
    }
  }
  if (!parts.some((part) => typeof part !== 'string' && ['path', 'name', 'id'].includes(part.field))) {
    throw new UsageError(`key template "${text}": many files would get the same key; add {path}`);
  }
  return parts;
}

const NEXT_STEP: Record<ThingField, string> = {
  thing: 'set thing.name, or write the key without it',
  thingType: 'set thing.type, or write the key without it',
  certificateId: 'set thing.certificateFile, or write the key without it',
};

function fill(field: FileField, { path, mtimeMs, id }: KeySubject): string {
  switch (field) {
    case 'path':
      return path;
    case 'name':
      return nameOf(path);
    case 'ext':
      return splitExtension(nameOf(path)).ext;
    case 'id':
      return String(id);
    case 'yyyy':
      return utcOf(mtimeMs).slice(0, -20);
    case 'MM':
      return utcOf(mtimeMs).slice(-19, -17);
    case 'dd':
      return utcOf(mtimeMs).slice(-16, -14);
    case 'HH':
      return utcOf(mtimeMs).slice(-13, -11);
    default:
      return field satisfies never;
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** `2026-11-22T05:38:00.000Z`; of a far year, `+012026-…`. */
const utcOf = (mtimeMs: number): string => new Date(mtimeMs).toISOString();

function splitExtension(name: string): { stem: string; ext: string } {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? { stem: name.slice(0, dot), ext: name.slice(dot + 1) } : { stem: name, ext: '' };
}

const isOneOf = <T extends string>(words: readonly T[], word: string): word is T =>
  (words as readonly string[]).includes(word);
