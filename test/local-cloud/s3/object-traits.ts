import type { StoredChecksum } from './checksums';
import { checksumHeader } from './checksums';
import type { S3Exchange } from './exchange';
import type { ObjectRecord, ObjectTraits } from './records';
import { invalidArgument, noSuchKey, notImplemented, preconditionFailed, S3Error } from './s3-error';
import { parseTagHeader } from './tags';

const MAX_METADATA_BYTES = 2048;
const KEPT_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];
const STORAGE_CLASSES = [
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
];
const REFUSED_HEADERS = [
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-retain-until-date',
  'x-amz-object-lock-legal-hold',
  'x-amz-website-redirect-location',
  'x-amz-write-offset-bytes',
];

/** Reads and checks what PutObject, Create and CopyObject say about the object; also the permission to tag it. */
export function parseTraits(exchange: S3Exchange): ObjectTraits {
  const refused = REFUSED_HEADERS.find((name) => exchange.header(name) !== undefined);
  if (refused !== undefined) throw notImplemented(refused);
  return {
    headers: parseKeptHeaders(exchange.head.headers),
    tags: parseTags(exchange),
    storageClass: parseStorageClass(exchange),
    encryption: parseEncryption(exchange),
  };
}

export function parseTags(exchange: S3Exchange): Record<string, string> {
  const header = exchange.header('x-amz-tagging');
  if (header === undefined) return {};
  exchange.require('s3:PutObjectTagging', exchange.objectArn);
  return parseTagHeader(header);
}

export function parseKeptHeaders(headers: Record<string, string>): Record<string, string> {
  const kept: Record<string, string> = { 'content-type': 'binary/octet-stream' };
  let metadataBytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-amz-meta-')) metadataBytes += name.length - 'x-amz-meta-'.length + value.length;
    else if (!KEPT_HEADERS.includes(name)) continue;
    kept[name] = value;
  }
  if (metadataBytes > MAX_METADATA_BYTES) {
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', {
      Size: metadataBytes,
      MaxSizeAllowed: MAX_METADATA_BYTES,
    });
  }
  const encodings = (kept['content-encoding'] ?? '').split(',').map((each) => each.trim());
  const stored = encodings.filter((each) => each !== '' && each !== 'aws-chunked').join(',');
  if (stored === '') delete kept['content-encoding'];
  else kept['content-encoding'] = stored;
  return kept;
}

function parseStorageClass(exchange: S3Exchange): string {
  const storageClass = exchange.header('x-amz-storage-class') ?? 'STANDARD';
  if (!STORAGE_CLASSES.includes(storageClass)) {
    throw new S3Error('InvalidStorageClass', 'The storage class you specified is not valid', {
      StorageClassRequested: storageClass,
    });
  }
  return storageClass;
}

function parseEncryption(exchange: S3Exchange): ObjectTraits['encryption'] {
  const algorithm = exchange.header('x-amz-server-side-encryption') ?? 'AES256';
  const keyId = exchange.header('x-amz-server-side-encryption-aws-kms-key-id');
  if (!['AES256', 'aws:kms', 'aws:kms:dsse'].includes(algorithm)) {
    throw invalidArgument(
      'The encryption method specified is not supported',
      'x-amz-server-side-encryption',
      algorithm,
    );
  }
  if (keyId !== undefined && algorithm === 'AES256') {
    throw invalidArgument(
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
      'x-amz-server-side-encryption',
      algorithm,
    );
  }
  return keyId === undefined ? { algorithm } : { algorithm, keyId };
}

/** KMS asks only for keys that the customer names; AWS's own key is open to the whole account. */
export function requireKms(exchange: S3Exchange, encryption: ObjectTraits['encryption'], ...actions: string[]): void {
  const { keyId } = encryption;
  if (keyId === undefined) return;
  const { region, accountId } = exchange.around.account;
  const arn = keyId.startsWith('arn:') ? keyId : `arn:aws:kms:${region}:${accountId}:key/${keyId}`;
  for (const action of actions) exchange.require(action, arn);
}

export function isKms(encryption: ObjectTraits['encryption']): boolean {
  return encryption.algorithm !== 'AES256';
}

export function encryptionHeaders({ algorithm, keyId }: ObjectTraits['encryption']): Record<string, string> {
  return {
    'x-amz-server-side-encryption': algorithm,
    ...(keyId === undefined ? {} : { 'x-amz-server-side-encryption-aws-kms-key-id': keyId }),
  };
}

export function checksumHeaders(checksum: StoredChecksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** The conditions of a write: If-None-Match: * and If-Match, as far as the state now decides them. */
export function checkWriteConditions(exchange: S3Exchange, existing: ObjectRecord | undefined): void {
  if (exchange.fault?.kind === 'conflict409') {
    throw new S3Error(
      'ConditionalRequestConflict',
      'The conditional request cannot succeed due to a conflicting operation against this resource.',
      { Key: exchange.key },
    );
  }
  const none = exchange.header('if-none-match');
  const match = exchange.header('if-match');
  if (none !== undefined && (none !== '*' || match !== undefined)) throw notImplemented('If-None-Match');
  if (none !== undefined && existing !== undefined) throw preconditionFailed('If-None-Match');
  if (match === undefined) return;
  exchange.require('s3:GetObject', exchange.objectArn);
  checkIfMatch(exchange.key, match, existing);
}

/** On writes and deletes: an absent object is NoSuchKey, another ETag PreconditionFailed. */
export function checkIfMatch(key: string, match: string, existing: ObjectRecord | undefined): void {
  if (existing === undefined) throw noSuchKey(key);
  if (!matchesEtag(match, existing.etag)) throw preconditionFailed('If-Match');
}

export function matchesEtag(condition: string, etag: string): boolean {
  return condition.split(',').some((each) => ['*', etag, `"${etag}"`].includes(each.trim()));
}
