import { randomUUID } from 'node:crypto';
import { METADATA } from '../../domain/object-metadata';
import { isDenied } from '../account/explain-aws-error';
import type { Bucket } from '../bucket/bucket';
import { ProgressOfFiles } from '../bucket/progress-of-files';
import { KeyTakenError, putFile } from '../bucket/put-file';
import { CloudError } from '../cloud-error';
import { type LocalFile, quoted } from '../files/local-files';
import type { Screen } from '../screen';

export interface SendOrder {
  readonly thing: string;
  readonly files: readonly LocalFile[];
  /** Files of these names that have not come down yet are replaced. */
  readonly replaces: boolean;
  readonly screen: Screen;
  readonly onSent: (sent: SentFile) => void;
}

export interface SentFile {
  readonly file: LocalFile;
  readonly key: string;
  /** In the object's metadata, which its copy in the archive has too. */
  readonly id: string;
  readonly sentAtMs: number;
}

/** Puts files into the inbox of a thing, one after the other. What was not fetched yet is not replaced unasked. @throws CloudError */
export async function sendFiles(bucket: Bucket, order: SendOrder, signal: AbortSignal): Promise<SentFile[]> {
  const { thing, files, replaces, screen, onSent } = order;
  const keyOf = ({ name }: LocalFile): string => `${thing}/inbox/${name}`;
  if (!replaces) {
    const taken = await findTaken(bucket, files.map(keyOf));
    if (taken.length > 0) throw new CloudError(taken.map((key) => waits(thing, key)).join('\n'));
  }
  const progress = new ProgressOfFiles(files, screen, 'sending');
  const sent: SentFile[] = [];
  for (const file of files) {
    const one = { file, key: keyOf(file), id: randomUUID(), sentAtMs: Date.now() };
    try {
      const metadata = metadataOf(file);
      progress.show(file, 0);
      await putFile(
        bucket,
        { ...one, metadata, onlyIfAbsent: !replaces },
        (bytes) => progress.show(file, bytes),
        signal,
      );
    } catch (error) {
      if (error instanceof KeyTakenError) throw new CloudError(waits(thing, one.key));
      throw error;
    } finally {
      screen.clear();
    }
    progress.end(file);
    sent.push(one);
    onSent(one);
  }
  return sent;
}

/** As other tools write them, and as the device reads them. */
const metadataOf = ({ mtimeMs, isExecutable }: LocalFile): Record<string, string> => ({
  [METADATA.mtime]: (mtimeMs / 1000).toFixed(3),
  ...(isExecutable ? { [METADATA.mode]: '755' } : {}),
});

const waits = (thing: string, key: string): string =>
  `${quoted(key.slice(key.lastIndexOf('/') + 1))} lies in the inbox of ${thing} already and has not come down yet; wait for it (courier status there), or give --replace`;

/** So that nothing is sent in vain; S3 itself refuses it, whatever is seen here. */
async function findTaken(bucket: Bucket, keys: readonly string[]): Promise<string[]> {
  const taken: string[] = [];
  for (const key of keys) {
    try {
      if ((await bucket.head(key)) !== undefined) taken.push(key);
    } catch (error) {
      if (error instanceof CloudError && isDenied(error.cause)) return []; // nor of the others
      throw error;
    }
  }
  return taken;
}
