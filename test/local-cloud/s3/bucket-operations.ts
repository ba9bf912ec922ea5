import type { S3Exchange } from './exchange';
import type { ObjectRecord } from './records';
import { uriEncode } from './request-head';
import { invalidArgument } from './s3-error';
import type { SortedKeys } from './sorted-keys';
import { el, type XmlNode } from './xml';

const MAX_KEYS = 1000;

export async function headBucket(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:ListBucket', exchange.bucketArn);
  await exchange.receiveNothing();
  await exchange.reply(200, { 'x-amz-bucket-region': exchange.bucketRegion });
}

export async function getBucketLocation(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:GetBucketLocation', exchange.bucketArn);
  await exchange.receiveNothing();
  await exchange.replyXml(el('LocationConstraint', exchange.bucketRegion === 'us-east-1' ? '' : exchange.bucketRegion));
}

interface Page {
  objects: ObjectRecord[];
  prefixes: string[];
  /** the last key or prefix given; the next page goes on behind it */
  last: string;
  truncated: boolean;
}

export async function listObjectsV2(exchange: S3Exchange): Promise<void> {
  const given = (name: string): string | undefined => exchange.query(name);
  exchange.require('s3:ListBucket', exchange.bucketArn, {
    's3:prefix': given('prefix'),
    's3:delimiter': given('delimiter'),
    's3:max-keys': given('max-keys'),
  });
  await exchange.receiveNothing();
  const maxKeys = Math.min(parseCount(given('max-keys'), 'max-keys', MAX_KEYS), MAX_KEYS);
  const encode = encoder(given('encoding-type'));
  const prefix = given('prefix') ?? '';
  const delimiter = given('delimiter') ?? '';
  const token = given('continuation-token');
  const after = token === undefined ? (given('start-after') ?? '') : decodeToken(token);
  const { keys, objects } = exchange.around.store.contentsOf(exchange.bucketName);
  const page = pageOf(keys, objects, { prefix, delimiter, after, maxKeys });
  await exchange.replyXml(
    el('ListBucketResult', [
      el('Name', exchange.bucketName),
      el('Prefix', encode(prefix)),
      el('Delimiter', delimiter === '' ? undefined : encode(delimiter)),
      el('StartAfter', given('start-after') === undefined ? undefined : encode(given('start-after')!)),
      el('MaxKeys', maxKeys),
      el('KeyCount', page.objects.length + page.prefixes.length),
      el('EncodingType', given('encoding-type')),
      el('IsTruncated', page.truncated),
      el('ContinuationToken', token),
      el('NextContinuationToken', page.truncated ? encodeToken(page.last) : undefined),
      ...page.objects.map((object) =>
        contentsNode(object, encode, given('fetch-owner') === 'true' ? exchange.ownerId : undefined),
      ),
      ...page.prefixes.map((each) => el('CommonPrefixes', [el('Prefix', encode(each))])),
    ]),
  );
}

function pageOf(
  keys: SortedKeys,
  objects: Map<string, ObjectRecord>,
  { prefix, delimiter, after, maxKeys }: { prefix: string; delimiter: string; after: string; maxKeys: number },
): Page {
  const page: Page = { objects: [], prefixes: [], last: '', truncated: false };
  let at = keys.lowerBound(prefix);
  if (after !== '') at = Math.max(at, behind(keys, after, prefix, delimiter));
  for (let key = keys.at(at); key?.startsWith(prefix); key = keys.at(at)) {
    if (page.objects.length + page.prefixes.length >= maxKeys) {
      page.truncated = maxKeys > 0;
      break;
    }
    const cutAt = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (cutAt === -1) {
      page.objects.push(objects.get(key)!);
      page.last = key;
      at += 1;
    } else {
      page.last = key.slice(0, cutAt + delimiter.length);
      page.prefixes.push(page.last);
      at = keys.afterPrefix(page.last, at);
    }
  }
  return page;
}

/** A page that ended with a common prefix goes on behind everything below it. */
function behind(keys: SortedKeys, after: string, prefix: string, delimiter: string): number {
  const at = keys.lowerBound(after);
  if (delimiter !== '' && after.startsWith(prefix) && after.endsWith(delimiter) && after.length > prefix.length) {
    return keys.afterPrefix(after, at);
  }
  return keys.at(at) === after ? at + 1 : at;
}

function contentsNode(object: ObjectRecord, encode: (text: string) => string, ownerId: string | undefined): XmlNode {
  return el('Contents', [
    el('Key', encode(object.key)),
    el('LastModified', new Date(object.modifiedMs).toISOString()),
    el('ETag', `"${object.etag}"`),
    el('ChecksumAlgorithm', object.checksum?.algorithm),
    el('ChecksumType', object.checksum?.type),
    el('Size', object.sizeBytes),
    el('Owner', ownerId === undefined ? undefined : [el('ID', ownerId)]),
    el('StorageClass', object.storageClass),
  ]);
}

export function parseCount(text: string | undefined, name: string, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,10}$/.test(text))
    throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, text);
  return Number(text);
}

/** encoding-type=url writes keys like a form does: blanks as +, slashes left alone. */
export function encoder(encodingType: string | undefined): (text: string) => string {
  if (encodingType === undefined) return (text) => text;
  if (encodingType !== 'url')
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', encodingType);
  return (text) => text.split('/').map(uriEncode).join('/').replace(/%20/g, '+');
}

function encodeToken(last: string): string {
  return Buffer.from(`1${last}`).toString('base64');
}

function decodeToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString();
  if (!text.startsWith('1'))
    throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token);
  return text.slice(1);
}
