import type { UploadSummary } from '../../src/control/protocol';
import { formatBytes } from '../../src/domain/format-bytes';
import type { DemoFile } from './demo-files';
import type { DemoReport } from './demo-report';
import type { DemoSite } from './demo-site';

/**
 * Holds what lies in S3 against what was dropped, file by file, by the key the configuration promises and not by the
 * daemon's word.
 * @param ended what the daemon says it delivered or gave up
 */
export async function compareUploads(
  site: DemoSite,
  files: readonly DemoFile[],
  ended: readonly UploadSummary[],
  { counts, problems }: DemoReport,
  say: (line: string) => void,
): Promise<void> {
  const { cloud, device } = site;
  const byId = [...ended].sort((a, b) => a.id - b.id);
  const latest = new Map(byId.map((upload) => [upload.path, upload]));
  for (const file of files) {
    const upload = latest.get(file.path);
    if (upload?.state === 'failed') {
      counts.failed += 1;
      problems.push(`${file.path} was given up: ${upload.message} (${upload.code})`);
    } else if (upload === undefined) {
      counts.missing += 1;
      problems.push(`${file.path} was not delivered`);
    } else {
      counts.uploaded += 1;
      const key = site.keyOf(file.path);
      const difference = await findDifference(cloud, device.bucket, key, file);
      if (difference === undefined) counts.bytes += file.sizeBytes;
      else {
        counts.mismatched += 1;
        problems.push(`${key} in S3 is not what was dropped: ${difference}`);
      }
      say(`  ${difference === undefined ? 'equal  ' : 'DIFFERS'}  ${formatBytes(file.sizeBytes).padStart(9)}  ${key}`);
    }
  }
  const explained = new Set([...files.map(({ path }) => site.keyOf(path)), ...ended.map(({ key }) => key)]);
  for (const { key } of cloud.objects(device.bucket))
    if (!explained.has(key)) problems.push(`the bucket holds ${key}, which is no file of the outbox`);
}

/** @returns what is wrong, for a sentence; undefined when all bytes are equal */
async function findDifference(
  cloud: DemoSite['cloud'],
  bucket: string,
  key: string,
  { sizeBytes, sha256 }: DemoFile,
): Promise<string | undefined> {
  const object = cloud.findObject(bucket, key);
  if (object === undefined) return 'there is no such object';
  if (object.sizeBytes !== sizeBytes) return `it has ${object.sizeBytes} bytes, not ${sizeBytes}`;
  const stored = await cloud.sha256(bucket, key).catch((error: Error) => error);
  if (stored instanceof Error) return `it cannot be read (${stored.message})`;
  return stored === sha256 ? undefined : `its SHA-256 is ${stored}, not ${sha256}`;
}
