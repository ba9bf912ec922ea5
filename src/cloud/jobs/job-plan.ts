import { createHash } from 'node:crypto';
import { localPathOf } from '../../domain/local-path';
import type { Stack } from '../account/read-stack';
import { CloudError, CommandError } from '../cloud-error';
import { type LocalFile, quoted } from '../files/local-files';

export type Unpack = 'zip' | 'tar.gz';

export interface FileOfJob {
  readonly file: LocalFile;
  /** Hex. */
  readonly sha256: string;
}

export interface JobWish {
  readonly files: readonly FileOfJob[];
  /** ARNs. */
  readonly targets: readonly string[];
  readonly operation: string;
  readonly path: string | undefined;
  readonly unpack: Unpack | undefined;
  readonly expiresInSec: number;
  readonly id: string | undefined;
}

/** A job as it is to be. */
export interface JobPlan {
  readonly id: string;
  readonly targets: readonly string[];
  readonly document: string;
  readonly presignedUrlConfig: { readonly roleArn: string; readonly expiresInSec: number };
  readonly objects: readonly (FileOfJob & { readonly key: string })[];
}

/** What AWS IoT takes, before the placeholders are filled in. */
const MAX_DOCUMENT_CHARACTERS = 32_768;
/** Signed, each has up to 1.7 KB, and a message of AWS IoT 128 KB: a document that is larger reaches nobody. */
const MAX_URLS = 64;
/** Hosts of S3 by partition. */
const DNS_SUFFIXES: Readonly<Record<string, string>> = {
  'aws-cn': 'amazonaws.com.cn',
  'aws-eusc': 'amazonaws.eu',
  'aws-iso': 'c2s.ic.gov',
  'aws-iso-b': 'sc2s.sgov.gov',
};

/**
 * One document with all files of it: the component verifies them all before the first gets its name. Its id comes of what
 * it is, so that the same command is the same job. Pure.
 * @throws CloudError when it cannot be
 */
export function planJob(stack: Stack, wish: JobWish): JobPlan {
  const { jobsRoleArn: roleArn } = stack;
  if (roleArn === undefined)
    throw new CloudError(
      `jobs are switched off in the stack ${stack.name}; deploy it with --parameter-overrides Jobs=true, or send the files: courier cloud send`,
    );
  const id = wish.id ?? idOf(stack, wish);
  // No name of a thing has a dot: no device may write there.
  const objects = wish.files.map((one) => ({ ...one, key: `.jobs/${id}/${one.file.name}` }));
  const entries = objects.map(({ file, sha256, key }) => ({
    url: placeholder(stack, key),
    path: pathOf(wish, file),
    sha256,
    size: file.sizeBytes,
    ...(file.isExecutable && wish.unpack === undefined ? { mode: '0755' } : {}),
    ...(wish.unpack === undefined ? {} : { unpack: wish.unpack }),
  }));
  const { operation, targets, expiresInSec } = wish;
  const document = JSON.stringify({ operation, ...(entries.length === 1 ? entries[0] : { files: entries }) });
  if (entries.length > MAX_URLS)
    throw new CloudError(
      `${entries.length} files are more than the ${MAX_URLS} whose URLs fit into one message of AWS IoT; send them as one archive (--pack), or by several jobs`,
    );
  if (document.length > MAX_DOCUMENT_CHARACTERS)
    throw new CloudError(
      `the job document would have ${document.length} characters, and AWS IoT takes ${MAX_DOCUMENT_CHARACTERS}; send the files as one archive (--pack), or by several jobs`,
    );
  return { id, targets, document, presignedUrlConfig: { roleArn, expiresInSec }, objects };
}

/** Signed when a device asks for the document. The key is percent-encoded in it. https://docs.aws.amazon.com/iot/latest/developerguide/create-manage-jobs.html */
function placeholder({ partition, region, bucket }: Stack, key: string): string {
  const host = `s3.${region}.${DNS_SUFFIXES[partition] ?? 'amazonaws.com'}`;
  return `\${aws:iot:s3-presigned-url-v2:https://${host}/${bucket}/${key.split('/').map(percentEncoded).join('/')}}`;
}

const percentEncoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

/** Where it is to lie below jobs.dir; of an archive, where its files are. */
function pathOf({ files, path, unpack }: JobWish, { name }: LocalFile): string {
  if (unpack !== undefined) return path === undefined ? '.' : checkPath(path.replace(/\/+$/, ''));
  if (path === undefined) return name;
  const isFolder = files.length > 1 || path.endsWith('/');
  return checkPath(isFolder ? `${path.replace(/\/+$/, '')}/${name}` : path);
}

function checkPath(path: string): string {
  const local = localPathOf(path);
  if ('refused' in local)
    throw new CommandError(
      `--path ${quoted(path)} cannot be a path on a device: ${local.refused}; name one below jobs.dir`,
    );
  if (local.isMapped)
    throw new CommandError(
      `--path ${quoted(path)} would be called ${quoted(local.path)} on the device; name it so, or otherwise`,
    );
  return path;
}

function idOf({ bucket, region }: Stack, wish: JobWish): string {
  const { files, targets, operation, path, unpack, expiresInSec } = wish;
  const content = files.map(({ file, sha256 }) => [file.name, sha256, file.isExecutable]);
  const all = [bucket, region, content, [...targets].sort(), operation, path ?? null, unpack ?? null, expiresInSec];
  return `courier-${createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 32)}`;
}
