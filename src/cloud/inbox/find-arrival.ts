import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { renamedKey } from '../../domain/key-template';
import { METADATA } from '../../domain/object-metadata';
import type { Bucket } from '../bucket/bucket';
import type { SentFile } from './send-files';

/** `replaced`: by somebody else, before it was archived. `gone`: neither in the inbox nor in the archive. */
export type Arrival =
  | { readonly state: 'archived'; readonly key: string }
  | { readonly state: 'replaced' }
  | { readonly state: 'gone' };

/** The device's clock writes the time into names, and may differ from ours. */
const CLOCK_MARGIN_MS = 86_400_000;

/**
 * Where a file is that was put into an inbox. The device deletes it there after the copy in the archive is verified: what
 * is not in the inbox is in the archive, or somebody else had a hand in it.
 * @param archivePrefix of its thing @returns undefined while it waits @throws CloudError when that may not be seen
 */
export async function findArrival(bucket: Bucket, sent: SentFile, archivePrefix: string): Promise<Arrival | undefined> {
  const { key, id, file } = sent;
  const lying = await bucket.head(key);
  if (lying?.Metadata?.[METADATA.uploadId] === id) return undefined;
  const isOurs = async (candidate: string): Promise<boolean> =>
    (await bucket.head(candidate))?.Metadata?.[METADATA.uploadId] === id;
  const plain = archivePrefix + file.name;
  if (await isOurs(plain)) return { state: 'archived', key: plain };
  for await (const candidate of listRenamed(bucket, plain, sent.sentAtMs - CLOCK_MARGIN_MS))
    if (await isOurs(candidate)) return { state: 'archived', key: candidate };
  return { state: lying === undefined ? 'gone' : 'replaced' };
}

/** Names that a key gets with the time in them where its own is taken. */
async function* listRenamed(bucket: Bucket, plain: string, sinceMs: number): AsyncGenerator<string> {
  const { s3, at } = bucket;
  const first = renamedKey(plain, sinceMs, 1);
  // The two part where the time stands, and the plain one goes on with its extension.
  let stampAt = 0;
  while (first[stampAt] === plain[stampAt]) stampAt++;
  const extension = plain.slice(stampAt);
  const pages = paginateListObjectsV2(
    { client: s3 },
    { ...at, Prefix: first.slice(0, stampAt + 1), StartAfter: first },
  );
  while (true) {
    const { value: page, done } = await bucket.ask('s3:ListBucket', undefined, () => pages.next());
    if (done === true) return;
    for (const { Key = '' } of page?.Contents ?? [])
      if (/^-\d{8}T\d{6}Z(?:-\d+)?$/.test(Key.slice(stampAt, Key.length - extension.length)) && Key.endsWith(extension))
        yield Key;
  }
}
