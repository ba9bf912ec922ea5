import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { create } from 'tar';
import { CloudError } from '../cloud-error';
import { digestFile } from '../files/digest-file';
import { findLocalFiles, type LocalFile } from '../files/local-files';

/**
 * Packs files into one archive, the same bytes for the same files, and hands it to `use`; it is gone after that.
 * @throws CloudError when one changes meanwhile, or there is no room
 */
export async function withPacked<T>(
  files: readonly LocalFile[],
  name: string,
  use: (archive: LocalFile) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'courier-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true })); // also when it is interrupted
  try {
    const archive = join(folder, name);
    await pack(files, join(folder, 'files'), archive);
    for (const file of files) await digestFile(file); // who has changed says so here
    return await use(findLocalFiles([archive])[0]!);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Side by side, wherever each lies. @param aside a folder that is made */
async function pack(files: readonly LocalFile[], aside: string, archive: string): Promise<void> {
  try {
    mkdirSync(aside);
    for (const { path, name } of files) symlinkSync(resolve(path), join(aside, name));
    // portable: without what is of this machine, and so the same again.
    await create(
      { cwd: aside, file: archive, follow: true, gzip: true, portable: true },
      files.map(({ name }) => `./${name}`),
    );
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CloudError(
      `the files cannot be packed in ${tmpdir()} (${code ?? message}); make room, or name another folder by TMPDIR`,
    );
  }
}
