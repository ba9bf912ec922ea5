import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { CloudError } from '../cloud-error';
import { cannotWrite } from './thing-folder';

/** One at a time: two that add the same thing at once would make two certificates. A lock of a process that is gone is none. */
export async function withLock<T>(file: string, run: () => Promise<T>): Promise<T> {
  take(file);
  try {
    return await run();
  } finally {
    rmSync(file, { force: true });
  }
}

/** @throws CloudError when it is somebody else's */
function take(file: string): void {
  const own = `${file}.${process.pid}`; // linked, it is never seen without the number in it
  try {
    writeFileSync(own, String(process.pid));
  } catch (error) {
    throw cannotWrite(file, error);
  }
  try {
    if (!isTaken(file, own)) return;
    const pid = Number(readFileSync(file, 'utf8'));
    if (isAlive(pid)) throw inUse(file, pid);
    rmSync(file, { force: true });
    if (isTaken(file, own)) throw inUse(file, pid);
  } finally {
    rmSync(own, { force: true });
  }
}

function isTaken(file: string, own: string): boolean {
  try {
    linkSync(own, file);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return true;
    throw error;
  }
}

const inUse = (file: string, pid: number): CloudError =>
  new CloudError(`another courier cloud (process ${pid}) is at it; wait for it, or remove ${file}`);

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's
  }
}
