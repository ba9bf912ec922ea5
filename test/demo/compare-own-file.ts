import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { UploadSummary } from '../../src/control/protocol';
import { walkFolder } from '../../src/custody/walk-folder';
import { printableName } from '../../src/domain/printable-name';
import type { DemoSite } from './demo-site';

/**
 * - `gone`: deleted after its delivery, before it could be compared
 * - `written since`: a newer version is on its way
 */
export type Comparison = 'equal' | 'differs' | 'gone' | 'written since';

/**
 * Holds a delivered file of a person against what was sent: it waits in the spool until deleteGraceSeconds are over,
 * or still lies in the outbox where it could not be claimed. A program that holds it open may write to it at any moment.
 */
export async function compareOwnFile(site: DemoSite, upload: UploadSummary): Promise<Comparison> {
  const { cloud, device } = site;
  const folder = await findFolder(site, upload.id);
  const file = folder === undefined ? undefined : findSource(folder, upload.path);
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

/** Of the batch it was claimed with, or the outbox. */
async function findFolder(site: DemoSite, id: number): Promise<string | undefined> {
  const [details, status] = await Promise.all([site.details(id), site.device.status()]).catch(() => [undefined]);
  if (details?.batch === undefined) return details && site.device.outbox;
  const spool = status?.outboxes[0]?.spool;
  return spool === undefined ? undefined : join(spool, String(details.batch).padStart(10, '0'));
}

/** By its printable path: names that are no UTF-8 are found by looking at all. */
function findSource(folder: string, path: string): Buffer | undefined {
  const file = Buffer.from(join(folder, path));
  if (findStats(file) !== undefined) return file;
  for (const found of walkFolder(folder, { isIgnored: () => false }))
    if (found !== undefined && printableName(found.path) === path)
      return Buffer.concat([Buffer.from(`${folder}/`), found.path]);
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
