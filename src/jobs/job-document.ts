import * as z from 'zod';
import { localPathOf } from '../domain/local-path';
import { withoutQuery } from '../domain/signed-url';
import { allowedUrl } from './allowed-url';
import { findClash } from './find-clash';
import { isObject } from './job-execution';

export type JobAction = 'download' | 'upload' | 'reject';
export type Unpack = 'none' | 'zip' | 'tar.gz';

/** One file that a job brings. */
export interface JobFile {
  /** `key`: by the device's own credentials. */
  readonly from: { readonly url: URL } | { readonly key: string };
  /** The same as `from`, without what makes a URL valid: to be kept, and shown. */
  readonly source: string;
  /** Below the jobs' folder; of an archive, the folder that is unpacked into, empty for the jobs' folder itself. */
  readonly path: string;
  /** Hex. */
  readonly sha256: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly mode: number | undefined;
  readonly unpack: Unpack;
}

export type JobOrder =
  | { readonly action: 'download'; readonly files: readonly JobFile[] }
  /** Globs of files of the device. */
  | { readonly action: 'upload'; readonly paths: readonly string[] }
  | { readonly action: 'reject'; readonly reason: string };

export interface DocumentRules {
  /** What the words of a document's `operation` stand for. */
  readonly operations: Readonly<Record<string, JobAction>>;
  readonly allowedHosts: readonly string[];
  /** Whether files can come at all, by URL, and by key. */
  readonly takesFiles: boolean;
  readonly takesKeys: boolean;
  readonly givesFiles: boolean;
}

const MAX_FILES = 200;
const MAX_PATHS = 100;

const whole = z.preprocess(
  (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
  z.number('a number of bytes').int('a number of bytes').min(0, 'a number of bytes'),
);
const part = z.looseObject({
  url: z.string('text').min(1, 'text').optional(),
  key: z.string('text').min(1, 'text').optional(),
  path: z.string('text').min(1, 'a path below jobs.dir').optional(),
  sha256: z
    .string('64 hexadecimal digits')
    .regex(/^[0-9a-f]{64}$/i, '64 hexadecimal digits')
    .optional(),
  size: whole.optional(),
  mode: z
    .string('permissions as text, such as "0644"')
    .regex(/^0?[0-7]{3}$/, 'permissions such as "0644"')
    .optional(),
  unpack: z.enum(['none', 'zip', 'tar.gz'], 'none, zip or tar.gz').optional(),
});
const downloads = part.extend({
  files: z.array(part, 'a list of objects').min(1, 'at least one').max(MAX_FILES, `at most ${MAX_FILES}`).optional(),
});
const uploads = z.looseObject({
  paths: z
    .union([z.string('text').transform((one) => [one]), z.array(z.string('texts'), 'a list of texts')])
    .refine((list) => list.length > 0 && list.length <= MAX_PATHS, `1 to ${MAX_PATHS} of them`)
    .refine((list) => list.every((one) => one !== '' && !one.includes('\0')), 'texts, none of them empty'),
});

/**
 * What a job document asks of the device. `operation` is the user's own word, and further fields may be there: any
 * document with a `url` is a download. Pure; whatever the document is, there is an answer.
 */
export function parseJobDocument(document: unknown, rules: DocumentRules): JobOrder {
  if (!isObject(document)) return reject('the job document is no JSON object');
  const { operation } = document;
  const meant =
    typeof operation === 'string' && Object.hasOwn(rules.operations, operation)
      ? rules.operations[operation]
      : undefined;
  const action = meant ?? guessAction(document);
  switch (action) {
    case 'download':
      return parseDownload(document, rules);
    case 'upload':
      return parseUpload(document, rules);
    case 'reject':
      return reject(`jobs.operations rejects "${String(operation).slice(0, 80)}" on this device`);
    default:
      return reject(
        Array.isArray(document.steps)
          ? 'the job document has steps, which are for another agent; write a url, files or paths'
          : 'the job document has neither a url, a key, files nor paths; write one of these',
      );
  }
}

function guessAction(document: Record<string, unknown>): JobAction | undefined {
  if ('url' in document || 'files' in document || 'key' in document) return 'download';
  return 'paths' in document ? 'upload' : undefined;
}

function parseDownload(document: unknown, rules: DocumentRules): JobOrder {
  if (!rules.takesFiles) return reject('this device takes no files by jobs; set jobs.dir');
  const parsed = downloads.safeParse(document);
  if (!parsed.success) return reject(explain(parsed.error));
  const { files, ...single } = parsed.data;
  if (files !== undefined && (single.url !== undefined || single.key !== undefined))
    return reject('the job document has files, and a url or a key beside them; put that into files');
  const wanted: JobFile[] = [];
  for (const [i, one] of (files ?? [single]).entries()) {
    const file = parseFile(one, rules);
    if ('refused' in file) return reject(files === undefined ? file.refused : `files.${i}: ${file.refused}`);
    wanted.push(file);
  }
  // What is in an archive nobody knows yet: the rest is looked at when it is here.
  const pathsOf = (isArchive: boolean) =>
    wanted.filter(({ unpack }) => (unpack !== 'none') === isArchive).map(({ path }) => path);
  const clash = findClash(pathsOf(false), pathsOf(true));
  if (clash !== undefined) return reject(clash);
  return { action: 'download', files: wanted };
}

function parseFile(one: z.output<typeof part>, rules: DocumentRules): JobFile | { readonly refused: string } {
  const { url, key, path, sha256, size, mode, unpack = 'none' } = one;
  if ((url === undefined) === (key === undefined)) return { refused: 'a file has either a url or a key' };
  let from: JobFile['from'];
  let name: string;
  let source: string;
  if (url !== undefined) {
    const verdict = allowedUrl(url, rules.allowedHosts);
    if ('refused' in verdict) return verdict;
    from = verdict;
    source = withoutQuery(verdict.url);
    name = decoded(verdict.url.pathname.split('/').at(-1)!);
  } else {
    if (!rules.takesKeys) return { refused: 'a key is fetched from the bucket, and none is configured; set s3.bucket' };
    from = { key: key! };
    source = key!;
    name = key!.split('/').at(-1)!;
  }
  const local = localPlace(path, name, unpack);
  if ('refused' in local) return local;
  return {
    from,
    source,
    path: local.path,
    sha256: sha256?.toLowerCase(),
    sizeBytes: size,
    mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
    unpack,
  };
}

/** Where a file lands; an archive, where its files do. */
function localPlace(path: string | undefined, name: string, unpack: Unpack): { path: string } | { refused: string } {
  if (unpack !== 'none') {
    const folder = (path ?? '').replace(/\/+$/, '');
    if (folder === '' || folder === '.')
      return path?.startsWith('/') === true ? refusedPath(path, 'it begins with a slash') : { path: '' };
    const local = localPathOf(folder);
    return 'refused' in local ? refusedPath(folder, local.refused) : local;
  }
  const wanted = path === undefined ? name : path.endsWith('/') ? path + name : path;
  const local = localPathOf(wanted);
  if (!('refused' in local)) return local;
  return wanted === '' || path?.endsWith('/') === true || path === undefined
    ? { refused: `its url names no file (${local.refused}); give it a path` }
    : refusedPath(wanted, local.refused);
}

const refusedPath = (path: string, why: string) => ({
  // Somebody may have put a signed URL there.
  refused: `its path ${JSON.stringify(path.replace(/\?.*/s, '?…').slice(0, 100))} cannot be one below jobs.dir: ${why}`,
});

function parseUpload(document: unknown, { givesFiles }: DocumentRules): JobOrder {
  if (!givesFiles) return reject('this device gives no files by jobs; set jobs.uploadRoots, and s3.bucket');
  const parsed = uploads.safeParse(document);
  return parsed.success ? { action: 'upload', paths: parsed.data.paths } : reject(explain(parsed.error));
}

function explain(error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return `the job document cannot be followed: ${path.length === 0 ? 'it' : path.join('.')} must be ${message}`;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

const reject = (reason: string): JobOrder => ({ action: 'reject', reason });
