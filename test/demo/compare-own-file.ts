import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { UploadSummary } from '../../src/control/protocol';
import { printableName } from '../../src/domain/printable-name';
import { walkFolder } from '../../src/outbox/walk-folder';
import type { DemoSite } from './demo-site';

/** `written since`: a newer version is on its way. */
export type Comparison = 'equal' | 'differs' | 'gone' | 'written since';

/** Holds a delivered file of a person against its source, which the person may change at any moment. */
export async function compareOwnFile({ cloud, device }: DemoSite, upload: UploadSummary): Promise<Comparison> {
  const file = findSource(device.outbox, upload.path);
  const before = file && findStats(file);
  if (file === undefined || before === undefined) return 'gone';
  const object = cloud.findObject(device.bucket, upload.key);
  if (object === undefined) return 'differs';
  const isSameVersion = object.headers['x-amz-meta-mtime'] === mtimeSeconds(before);
  const stored = await cloud.sha256(device.bucket, upload.key).catch(() => undefined);
  const source = await hashFile(file);
  if (stored !== undefined && stored === source) return 'equal';
  if (source === undefined) return 'gone';
  return isSameVersion && findStats(file)?.mtimeNs === before.mtimeNs ? 'differs' : 'written since';
}

/** By its printable path: names that are no UTF-8 are found by looking at all. */
function findSource(outbox: string, path: string): Buffer | undefined {
  const file = Buffer.from(join(outbox, path));
  if (findStats(file) !== undefined) return file;
  for (const found of walkFolder(Buffer.from(outbox)))
    if (found !== undefined && printableName(found.path) === path)
      return Buffer.concat([Buffer.from(`${outbox}/`), found.path]);
  return undefined;
}

function findStats(file: Buffer): BigIntStats | undefined {
  try {
    return lstatSync(file, { bigint: true });
  } catch {
    return undefined;
  }
}

/** As the daemon notes it with the object: Unix seconds with nanoseconds. */
function mtimeSeconds({ mtimeNs }: BigIntStats): string {
  const digits = mtimeNs.toString().padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

async function hashFile(file: Buffer): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash);
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}
