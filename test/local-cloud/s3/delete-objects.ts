import type { S3Exchange } from './exchange';
import { objectArn } from './exchange';
import { checkIfMatch } from './object-traits';
import { S3Error } from './s3-error';
import { childText, el, malformedXml, type XmlElement, type XmlNode } from './xml';

const MAX_KEYS = 1000;

export async function deleteObject(exchange: S3Exchange): Promise<void> {
  await exchange.receiveNothing();
  dropObject(exchange, exchange.key, exchange.header('if-match'));
  await exchange.reply(204, {});
}

export async function deleteObjects(exchange: S3Exchange): Promise<void> {
  requireBodyChecksum(exchange);
  const root = await exchange.receiveXml('Delete');
  const quiet = childText(root, 'Quiet') === 'true';
  const wanted = root.children.filter((child) => child.name === 'Object');
  if (wanted.length === 0 || wanted.length > MAX_KEYS) throw malformedXml();
  const results = wanted.map((each) => deleteOne(exchange, each));
  const shown = quiet ? results.filter(({ name }) => name === 'Error') : results;
  await exchange.replyXml(el('DeleteResult', shown));
}

/** Where S3 demands a digest of the document: DeleteObjects and PutObjectTagging. */
export function requireBodyChecksum(exchange: S3Exchange): void {
  const has = Object.keys(exchange.head.headers).some(
    (name) =>
      name === 'content-md5' || name === 'x-amz-trailer' || /^x-amz-checksum-(?!mode|type|algorithm)/.test(name),
  );
  if (!has) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*');
  }
}

function deleteOne(exchange: S3Exchange, wanted: XmlElement): XmlNode {
  const key = childText(wanted, 'Key') ?? '';
  try {
    if (key === '') throw new S3Error('MalformedXML', 'a key must be given');
    dropObject(exchange, key, childText(wanted, 'ETag'));
    return el('Deleted', [el('Key', key)]);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return el('Error', [el('Key', key), el('Code', error.code), el('Message', error.message)]);
  }
}

function dropObject(exchange: S3Exchange, key: string, match: string | undefined): void {
  const { store } = exchange.around;
  const arn = objectArn(exchange.bucketName, key);
  exchange.require('s3:DeleteObject', arn);
  if (match !== undefined) {
    exchange.require('s3:GetObject', arn);
    checkIfMatch(key, match, store.findObject(exchange.bucketName, key));
  }
  store.deleteObject(exchange.bucketName, key);
}
