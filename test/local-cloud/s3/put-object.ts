import { randomBytes } from 'node:crypto';
import { type ChecksumAlgorithm, findChecksumHeaders } from './checksums';
import type { S3Exchange } from './exchange';
import {
  checksumHeaders,
  checkWriteConditions,
  encryptionHeaders,
  isKms,
  parseTraits,
  requireKms,
} from './object-traits';
import type { ObjectRecord } from './records';

/** "5 GB" in AWS's words. */
export const MAX_SINGLE_BYTES = 5 * 1024 ** 3;
/** What S3 computes and keeps when the client names no checksum. */
export const OWN_CHECKSUM: ChecksumAlgorithm = 'CRC64NVME';

export async function putObject(exchange: S3Exchange): Promise<void> {
  const { store, now } = exchange.around;
  const { bucketName: bucket, key } = exchange;
  exchange.require('s3:PutObject', exchange.objectArn);
  const traits = parseTraits(exchange);
  requireKms(exchange, traits.encryption, 'kms:GenerateDataKey');
  checkWriteConditions(exchange, store.findObject(bucket, key));
  const algorithm = findChecksumHeaders(exchange.head.headers)?.algorithm ?? OWN_CHECKSUM;
  const body = await exchange.receiveObject({ maxBytes: MAX_SINGLE_BYTES, keepChecksum: algorithm });
  checkWriteConditions(exchange, store.findObject(bucket, key));
  const object: ObjectRecord = {
    bucket,
    key,
    sizeBytes: body.sizeBytes,
    etag: isKms(traits.encryption) ? randomBytes(16).toString('hex') : body.md5.toString('hex'),
    modifiedMs: now(),
    slices: body.slices,
    checksum: { algorithm, type: 'FULL_OBJECT', value: body.kept! },
    ...traits,
  };
  store.putObject(object);
  await exchange.reply(200, {
    etag: `"${object.etag}"`,
    ...encryptionHeaders(object.encryption),
    ...checksumHeaders(object.checksum),
  });
}
