import { execFile } from 'node:child_process';
import { open, opendir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Data and names of the whole file system that holds `folder`, on disk. It waits for everybody's dirty pages, so it
 * runs in a process of its own. Node.js has no syncfs(2); coreutils and busybox have `sync -f`. Where neither is, what
 * lies in the folder is synced file by file.
 */
export async function syncFileSystem(folder: string): Promise<void> {
  try {
    await run('sync', ['-f', folder]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') await syncBelow(Buffer.from(folder));
    // An old busybox knows no option and syncs everything; what the disk refused is not to be tried away.
    else if (/option|usage/i.test((error as { stderr?: string }).stderr ?? '')) await run('sync', []);
    else throw error;
  }
}

async function syncBelow(folder: Buffer): Promise<void> {
  // The types know names as text only.
  const entries = await opendir(folder, { encoding: 'buffer' as BufferEncoding });
  for await (const entry of entries) {
    const path = Buffer.concat([folder, Buffer.from('/'), entry.name as unknown as Buffer]);
    if (entry.isDirectory()) await syncBelow(path);
    else if (entry.isFile()) await syncOne(path);
  }
  await syncOne(folder);
}

async function syncOne(path: Buffer): Promise<void> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // delivered and gone in the meantime
    throw error;
  }
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
