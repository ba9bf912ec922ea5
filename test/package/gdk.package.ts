import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { VERSION } from '../../src/version';
import { findProgram } from '../engines/find-program';
import { itWhere } from '../support/needs';
import { BuiltComponent } from './built-component';
import { copyProject } from './copy-project';

describe('the real GDK', () => {
  const missing = findProgram('gdk') === undefined ? 'skipped: gdk is not installed' : undefined;

  itWhere(missing, 'builds the component', async () => {
    const folder = copyProject(); // it empties greengrass-build/ first
    try {
      const { status, stdout, stderr } = spawnSync('gdk', ['component', 'build'], { cwd: folder, encoding: 'utf8' });
      process.stdout.write(`${stdout}${stderr}`);
      expect(status).toBe(0);
      expect(readdirSync(join(folder, 'greengrass-build/recipes'))).toEqual(['recipe.yaml']);
      const artifacts = readdirSync(BuiltComponent.artifactsIn(join(folder, 'greengrass-build'), VERSION));
      expect(artifacts).not.toHaveLength(0);
      expect(artifacts.filter((name) => !/^thing-courier-linux-(?:x64|arm64)\.zip$/.test(name))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
