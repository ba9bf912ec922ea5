import { createHash } from 'node:crypto';
import type { LocalFile } from './local-files';
import { readUnchanged } from './read-unchanged';

/** SHA-256 in hex. @throws CloudError as readUnchanged, and what `onBytes` throws */
export async function digestFile(
  file: LocalFile,
  onBytes: (doneBytes: number) => void = () => undefined,
): Promise<string> {
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of readUnchanged(file)) {
    hash.update(chunk);
    done += chunk.length;
    onBytes(done);
  }
  return hash.digest('hex');
}
