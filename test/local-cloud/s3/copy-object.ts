import { createHash } from 'node:crypto';
import { cut } from './blob-store';
import { type ChecksumAlgorithm, isChecksumAlgorithm, startChecksum } from './checksums';
import type { S3Exchange } from './exchange';
import { objectArn } from './exchange';
import { findReadable } from './get-object';
import { checkWriteConditions, encryptionHeaders, isKms, matchesEtag, parseTraits, requireKms } from './object-traits';
import { MAX_SINGLE_BYTES, OWN_CHECKSUM } from './put-object';
import type { ObjectRecord, ObjectTraits } from './records';
import { accessDenied, invalidArgument, notImplemented, preconditionFailed, S3Error } from './s3-error';
import { el, type XmlNode, xmlDocument } from './xml';

export async function copyObject(exchange: S3Exchange): Promise<void> {
  const { store, now } = exchange.around;
  exchange.require('s3:PutObject', exchange.objectArn);
  const source = findSource(exchange);
  if (source.sizeBytes > MAX_SINGLE_BYTES) {
    throw new S3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_SINGLE_BYTES}`,
    );
  }
  const traits = copyTraits(exchange, source);
  requireKms(exchange, traits.encryption, 'kms:GenerateDataKey');
  checkWriteConditions(exchange, store.findObject(exchange.bucketName, exchange.key));
  await exchange.receiveNothing();
  if (await replyError200(exchange)) return;
  exchange.hold(source.slices);
  const algorithm = wantedAlgorithm(exchange) ?? source.checksum?.algorithm ?? OWN_CHECKSUM;
  const digests = await digestSource(exchange, source, 0, source.sizeBytes, algorithm);
  checkWriteConditions(exchange, store.findObject(exchange.bucketName, exchange.key));
  const object: ObjectRecord = {
    bucket: exchange.bucketName,
    key: exchange.key,
    sizeBytes: source.sizeBytes,
    // Of the bytes, whatever the source's was: a copy of a multipart object has an ETag of its own.
    etag: isKms(traits.encryption) ? digests.md5.split('').reverse().join('') : digests.md5,
    modifiedMs: now(),
    slices: source.slices,
    checksum: { algorithm, type: 'FULL_OBJECT', value: digests.checksum },
    ...traits,
  };
  store.putObject(object);
  await exchange.replyXml(
    el('CopyObjectResult', [
      el('LastModified', new Date(object.modifiedMs).toISOString()),
      el('ETag', `"${object.etag}"`),
      el('ChecksumType', 'FULL_OBJECT'),
      el(`Checksum${algorithm}`, digests.checksum),
    ]),
    encryptionHeaders(object.encryption),
  );
}

/** Parses x-amz-copy-source, checks its permissions and conditions. */
export function findSource(exchange: S3Exchange): ObjectRecord {
  const header = exchange.header('x-amz-copy-source') ?? '';
  const [path = '', version] = header.split('?versionId=');
  if (version !== undefined && version !== 'null') throw notImplemented('x-amz-copy-source versionId');
  const [, bucket, key] = /^\/?([^/]+)\/(.+)$/s.exec(decodeSource(path)) ?? [];
  if (bucket === undefined || key === undefined) {
    throw invalidArgument(
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      'x-amz-copy-source',
      header,
    );
  }
  const record = exchange.around.account.findBucket(bucket);
  if (record === undefined)
    throw new S3Error('NoSuchBucket', 'The specified bucket does not exist', { BucketName: bucket });
  const owner = exchange.header('x-amz-source-expected-bucket-owner');
  if (owner !== undefined && owner !== record.ownerId) throw accessDenied();
  const source = findReadable(exchange, bucket, key);
  requireKms(exchange, source.encryption, 'kms:Decrypt');
  checkSourceConditions(exchange, source);
  return source;
}

export async function digestSource(
  exchange: S3Exchange,
  source: ObjectRecord,
  start: number,
  end: number,
  algorithm: ChecksumAlgorithm,
): Promise<{ md5: string; checksum: string }> {
  const md5 = createHash('md5');
  const checksum = startChecksum(algorithm);
  const bytes = exchange.around.store.blobs.read(cut(source.slices, start, end));
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    md5.update(chunk);
    checksum.update(chunk);
  }
  return { md5: md5.digest('hex'), checksum: checksum.digest().toString('base64') };
}

/** The late failure of long operations: 200 with an <Error> body. True when it was sent. */
export async function replyError200(exchange: S3Exchange): Promise<boolean> {
  if (exchange.fault?.kind !== 'error200') return false;
  const error: XmlNode = el('Error', [
    el('Code', 'InternalError'),
    el('Message', 'We encountered an internal error. Please try again.'),
    el('RequestId', 'LATE'),
    el('HostId', 'LATE'),
  ]);
  await exchange.reply(200, { 'content-type': 'application/xml' }, xmlDocument(error, false));
  return true;
}

function copyTraits(exchange: S3Exchange, source: ObjectRecord): ObjectTraits {
  const metadata = directive(exchange, 'x-amz-metadata-directive');
  const tagging = directive(exchange, 'x-amz-tagging-directive');
  const same = source.bucket === exchange.bucketName && source.key === exchange.key;
  const stated = ['x-amz-storage-class', 'x-amz-server-side-encryption'].some(
    (name) => exchange.header(name) !== undefined,
  );
  if (same && metadata === 'COPY' && !stated) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const traits = parseTraits(exchange);
  const tagged = Object.keys(source.tags).length > 0;
  if (tagging === 'COPY' && tagged) {
    exchange.require('s3:GetObjectTagging', objectArn(source.bucket, source.key));
    exchange.require('s3:PutObjectTagging', exchange.objectArn);
  }
  return {
    ...traits,
    headers: metadata === 'COPY' ? source.headers : traits.headers,
    tags: tagging === 'COPY' ? source.tags : traits.tags,
  };
}

function directive(exchange: S3Exchange, name: string): 'COPY' | 'REPLACE' {
  const value = exchange.header(name) ?? 'COPY';
  if (value !== 'COPY' && value !== 'REPLACE') throw invalidArgument(`Unknown ${name}.`, name, value);
  return value;
}

function wantedAlgorithm(exchange: S3Exchange): ChecksumAlgorithm | undefined {
  const name = exchange.header('x-amz-checksum-algorithm')?.toUpperCase();
  if (name === undefined) return undefined;
  if (!isChecksumAlgorithm(name)) throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  return name;
}

function checkSourceConditions(exchange: S3Exchange, source: ObjectRecord): void {
  const condition = (name: string): string | undefined => exchange.header(`x-amz-copy-source-if-${name}`);
  const modified = Math.floor(source.modifiedMs / 1000) * 1000;
  const match = condition('match');
  const none = condition('none-match');
  if (match !== undefined && !matchesEtag(match, source.etag)) throw preconditionFailed('x-amz-copy-source-If-Match');
  if (none !== undefined && matchesEtag(none, source.etag)) throw preconditionFailed('x-amz-copy-source-If-None-Match');
  if (match === undefined && modified > Date.parse(condition('unmodified-since') ?? '')) {
    throw preconditionFailed('x-amz-copy-source-If-Unmodified-Since');
  }
  if (none === undefined && modified <= Date.parse(condition('modified-since') ?? '')) {
    throw preconditionFailed('x-amz-copy-source-If-Modified-Since');
  }
}

function decodeSource(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalidArgument('Invalid copy source encoding.', 'x-amz-copy-source', path);
  }
}
