import type { Bucket } from '../bucket/bucket';
import { ProgressOfFiles } from '../bucket/progress-of-files';
import { putFile } from '../bucket/put-file';
import type { Screen } from '../screen';
import type { JobPlan } from './job-plan';

/** Written with the object, which comes to be when all its bytes are these. */
const SHA256 = 'courier-sha256';

/** What a job's URLs lead to. What is there already with the same content is not sent again. @throws CloudError */
export async function putObjects(
  bucket: Bucket,
  { id, objects }: JobPlan,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const files = objects.map(({ file }) => file);
  const progress = new ProgressOfFiles(files, screen, 'sending');
  for (const { file, sha256, key } of objects) {
    progress.show(file, 0);
    const there = await bucket.head(key);
    const isSame = there?.ContentLength === file.sizeBytes && there.Metadata?.[SHA256] === sha256;
    const order = { file, key, id, sha256, metadata: { [SHA256]: sha256 }, onlyIfAbsent: false };
    if (!isSame) await putFile(bucket, order, (bytes) => progress.show(file, bytes), signal);
    progress.end(file);
    screen.say(`${file.name}: ${isSame ? 'there' : 'sent'}, ${key}`);
  }
}
