import { cpSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findCrc32 } from '../../../src/domain/crc32';
import { METADATA } from '../../../src/domain/object-metadata';
import type { ObjectRecord } from '../../local-cloud/s3/records';

/** An object that S3 took: each one ever, for there is one line for it in the journal, even if it was replaced since. */
export interface Put {
  readonly key: string;
  /** In the outbox. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Of the bytes that came, by the cloud's own reckoning. */
  readonly crc32: number | undefined;
}

const JOURNAL = 's3/journal.jsonl';
const BLOBS = 's3/blobs';

/**
 * The folder of a cloud as it is now. Bodies never change once the journal names them, so they are linked; the journal
 * is copied. All in one go, so that no request comes between when the cloud runs in this process.
 */
export function copyCloud(from: string, to: string): void {
  mkdirSync(join(to, 's3'), { recursive: true });
  for (const name of readdirSync(from))
    if (name !== 's3') cpSync(join(from, name), join(to, name), { recursive: true });
  cpSync(join(from, JOURNAL), join(to, JOURNAL));
  for (const shard of readdirSync(join(from, BLOBS))) {
    mkdirSync(join(to, BLOBS, shard), { recursive: true });
    for (const blob of readdirSync(join(from, BLOBS, shard)))
      linkSync(join(from, BLOBS, shard, blob), join(to, BLOBS, shard, blob));
  }
}

export const journalBytes = (dir: string): number => statSync(join(dir, JOURNAL)).size;

/** @param fromByte of the journal */
export function readLines(dir: string, fromByte = 0): string[] {
  const text = readFileSync(join(dir, JOURNAL)).subarray(fromByte).toString('utf8');
  return text.split('\n').filter((line) => line !== '');
}

/** Below a prefix, in the order in which S3 took them. @param fromByte of the journal */
export function readPuts(dir: string, prefix: string, fromByte = 0): Put[] {
  return readLines(dir, fromByte)
    .map((line) => JSON.parse(line) as { kind: string; object?: ObjectRecord })
    .flatMap(({ kind, object }) =>
      object?.key.startsWith(prefix) === true && kind !== 'delete' ? [putOf(object, prefix)] : [],
    );
}

function putOf({ key, headers, sizeBytes, checksum }: ObjectRecord, prefix: string): Put {
  const path = headers[`x-amz-meta-${METADATA.path}`];
  const isWhole = checksum?.algorithm === 'CRC32' && checksum.type === 'FULL_OBJECT';
  return {
    key,
    name: path === undefined ? key.slice(prefix.length) : decodeURIComponent(path),
    sizeBytes,
    crc32: isWhole ? findCrc32(checksum.value) : undefined,
  };
}
