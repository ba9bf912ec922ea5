import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Data and names of the whole file system that holds `folder`, on disk. It waits for everybody's dirty pages, so it
 * runs in a process of its own. Node.js has no syncfs(2); coreutils and busybox have `sync -f`.
 */
export async function syncFileSystem(folder: string): Promise<void> {
  try {
    await run('sync', ['-f', folder]);
  } catch (error) {
    // An old busybox knows no option and syncs everything; what the disk refused is not to be tried away.
    if (!/option|usage/i.test((error as { stderr?: string }).stderr ?? '')) throw error;
    await run('sync', []);
  }
}
