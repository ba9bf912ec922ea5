import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { unzipSync } from 'fflate';
import { parse } from 'yaml';
import type { AccessControlDocument } from '../support/nucleus/access-control';

export const ROOT = resolve(__dirname, '../..');
const NAME = 'com.thingcourier.Courier';

/** What `npm run build:component` makes, in a folder of its own. */
export class BuiltComponent {
  private constructor(readonly dir: string) {}

  /** @param root the project's folder @throws with what the build said */
  static build(root = ROOT, env: NodeJS.ProcessEnv = {}): BuiltComponent {
    const dir = mkdtempSync(join(tmpdir(), 'built-component-'));
    const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'build:component', '--', '--output', dir], {
      cwd: root,
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`build:component ended with ${status}\n${stdout}${stderr}`);
    return new BuiltComponent(dir);
  }

  /** Every file of it, by its path. */
  files(): Map<string, Buffer> {
    const paths = readdirSync(this.dir, { recursive: true, withFileTypes: true });
    return new Map(
      paths
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
        .map((file) => [file.slice(this.dir.length + 1), readFileSync(file)]),
    );
  }

  /** As it is published. */
  recipe() {
    const [, text] = [...this.files()].find(([path]) => path.endsWith('recipe.yaml'))!;
    return parse(text.toString(), { version: '1.1' }) as {
      ComponentConfiguration: { DefaultConfiguration: { accessControl: AccessControlDocument } };
    };
  }

  /** Puts a package into a folder as a nucleus does: without mode bits. */
  unpack(platform: string, folder: string): void {
    mkdirSync(folder);
    const [, zip] = [...this.files()].find(([path]) => path.endsWith(`/thing-courier-${platform}.zip`))!;
    for (const [name, bytes] of Object.entries(unzipSync(zip))) writeFileSync(join(folder, name), bytes);
  }

  /** The folder that `gdk` would empty and fill; that of the artifacts of this version. */
  static artifactsIn(dir: string, version: string): string {
    return join(dir, 'artifacts', NAME, version);
  }

  end(): void {
    rmSync(this.dir, { recursive: true });
  }
}
