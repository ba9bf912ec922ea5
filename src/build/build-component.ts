import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle';
import { choosePackages } from './choose-packages';
import { findNativeParts, type NativeParts, PLATFORMS } from './native-parts';
import { collectNotices } from './notices';
import { type PackageFiles, packZip } from './pack-zip';
import { packageName, publishedRecipe } from './published-recipe';

const ROOT = resolve(__dirname, '../..');
const SCRIPTS = ['run.sh', 'install.sh'];
/** What a package may weigh on a metered line. */
const MAX_ZIP_BYTES = 6_500_000;

/**
 * Writes what `gdk component publish` takes: a recipe, and beside it one self-contained zip for each platform whose
 * native parts are at hand. Says what it left out.
 * @throws Error with the next step; when parts are required and missing, before anything is written
 */
async function buildComponent(output: string, requireAll: boolean): Promise<void> {
  const { packages, leftOut } = choosePackages(
    PLATFORMS.map((platform) => findNativeParts(ROOT, platform)),
    requireAll,
  );
  const source = readFileSync(join(ROOT, 'recipe/recipe.yaml'), 'utf8');
  const { recipe, text } = publishedRecipe(
    source,
    packages.map(({ platform }) => platform),
  );
  const common = await bundledFiles();
  rmSync(output, { recursive: true, force: true });
  const artifacts = join(output, 'artifacts', recipe.ComponentName, recipe.ComponentVersion);
  mkdirSync(artifacts, { recursive: true });
  for (const part of packages) {
    const zip = packZip(
      new Map<string, string | Uint8Array>([...common, ...part.files, ['requires.sh', requirements(part)]]),
    );
    const name = packageName(part.platform);
    if (zip.length > MAX_ZIP_BYTES)
      throw new Error(`${name} has ${zip.length} bytes, more than ${MAX_ZIP_BYTES}; see what has grown in it`);
    writeFileSync(join(artifacts, name), zip);
    const sha256 = createHash('sha256').update(zip).digest('hex');
    say(`${name}  ${zip.length} bytes  Node.js ${part.nodeMajors.join(', ')}  glibc ${part.glibc}  sha256 ${sha256}`);
  }
  mkdirSync(join(output, 'recipes'));
  writeFileSync(join(output, 'recipes/recipe.yaml'), text);
  say(`recipe.yaml  ${Buffer.byteLength(text)} bytes  ${recipe.ComponentName} ${recipe.ComponentVersion}`);
  for (const sentence of leftOut) say(`left out: ${sentence}`);
}

/** Of every platform's package the same. */
async function bundledFiles(): Promise<PackageFiles> {
  const folder = mkdtempSync(join(tmpdir(), 'thing-courier-build-'));
  try {
    const metafile = await bundle(folder);
    return new Map<string, string | Uint8Array>([
      ...readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const),
      ...SCRIPTS.map((name) => [name, readFileSync(join(ROOT, 'artifacts', name))] as const),
      ['LICENSE', readFileSync(join(ROOT, 'LICENSE'))],
      ['NOTICES', collectNotices(metafile)],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Read by install.sh. */
const requirements = ({ nodeMajors, glibc }: NativeParts): string =>
  `has_node="${nodeMajors.join(' ')}"\nneeds_glibc=${glibc}\n`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { values } = parseArgs({
  options: {
    require: { type: 'boolean', default: false },
    output: { type: 'string', default: join(ROOT, 'greengrass-build') },
  },
});
buildComponent(resolve(values.output), values.require).catch((error: Error) => {
  process.stderr.write(`build:component: ${error.message}\n`);
  process.exitCode = 1;
});
