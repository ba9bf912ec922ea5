import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './built-component';

const SOURCES = [
  'src',
  'recipe',
  'recipe.yaml',
  'package.json',
  'package-lock.json',
  'gdk-config.json',
  'tsconfig.json',
];
/** Not changed by what runs in the copy, and large: linked where that goes. */
const LARGE = ['node_modules', 'artifacts'];

/** The project once more, as another clone of the same commit would hold it. @returns its folder */
export function copyProject(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'another-clone-')));
  for (const name of [...SOURCES, 'LICENSE'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true, verbatimSymlinks: true });
  for (const name of LARGE) {
    const copied = ['-al', '-a'].some((how) => {
      const { status } = spawnSync('cp', [how, join(ROOT, name), `${folder}/`], { stdio: 'ignore' });
      return status === 0;
    });
    if (!copied) throw new Error(`${name} cannot be copied to ${folder}; is the disk full?`);
  }
  return folder;
}
