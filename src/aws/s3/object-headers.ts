import type { ObjectAttributes } from '../../upload/object-attributes';

/** What every object of a bucket gets. */
export interface ObjectSettings {
  readonly storageClass: string | undefined;
  readonly kmsKeyId: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

export const METADATA_PREFIX = 'x-amz-meta-';

/** Tags as S3 takes them in a header or on CreateMultipartUpload: a query string. */
export function encodeTags(tags: Readonly<Record<string, string>>): string | undefined {
  const pairs = Object.entries(tags).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return pairs.length > 0 ? pairs.join('&') : undefined;
}

/** Headers of a PutObject beside those of its body. */
export function objectHeaders(
  { contentType, metadata }: ObjectAttributes,
  settings: ObjectSettings,
  onlyIfAbsent: boolean,
): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': contentType };
  for (const name in metadata) headers[METADATA_PREFIX + name] = metadata[name]!;
  if (settings.storageClass !== undefined) headers['x-amz-storage-class'] = settings.storageClass;
  if (settings.kmsKeyId !== undefined) {
    headers['x-amz-server-side-encryption'] = 'aws:kms';
    headers['x-amz-server-side-encryption-aws-kms-key-id'] = settings.kmsKeyId;
  }
  const tags = encodeTags(settings.tags);
  if (tags !== undefined) headers['x-amz-tagging'] = tags;
  if (onlyIfAbsent) headers['if-none-match'] = '*';
  return headers;
}

/** Refused by S3 when the bucket is somebody else's. */
export const ownerHeader = (expectedBucketOwner: string | undefined): Record<string, string> =>
  expectedBucketOwner === undefined ? {} : { 'x-amz-expected-bucket-owner': expectedBucketOwner };
