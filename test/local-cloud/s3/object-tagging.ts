import { requireBodyChecksum } from './delete-objects';
import type { S3Exchange } from './exchange';
import type { ObjectRecord } from './records';
import { accessDenied, noSuchKey } from './s3-error';
import { parseTagging } from './tags';
import { el } from './xml';

export async function getObjectTagging(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:GetObjectTagging', exchange.objectArn);
  await exchange.receiveNothing();
  const tags = Object.entries(getTaggable(exchange).tags);
  await exchange.replyXml(
    el('Tagging', [
      el(
        'TagSet',
        tags.map(([key, value]) => el('Tag', [el('Key', key), el('Value', value)])),
      ),
    ]),
  );
}

export async function putObjectTagging(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:PutObjectTagging', exchange.objectArn);
  requireBodyChecksum(exchange);
  const tags = parseTagging(await exchange.receiveXml('Tagging'));
  exchange.around.store.putObject({ ...getTaggable(exchange), tags });
  await exchange.reply(200, {});
}

export async function deleteObjectTagging(exchange: S3Exchange): Promise<void> {
  exchange.require('s3:DeleteObjectTagging', exchange.objectArn);
  await exchange.receiveNothing();
  exchange.around.store.putObject({ ...getTaggable(exchange), tags: {} });
  await exchange.reply(204, {});
}

function getTaggable(exchange: S3Exchange): ObjectRecord {
  const object = exchange.around.store.findObject(exchange.bucketName, exchange.key);
  if (object !== undefined) return object;
  throw exchange.allows('s3:ListBucket', exchange.bucketArn) ? noSuchKey(exchange.key) : accessDenied();
}
