import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = resolve(__dirname, '../..');
const dist = join(root, 'dist');
const native = join(root, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node');

/**
 * The SDK stands in a file of its own: it is two thirds of all code, and a device of small files never needs it. Only
 * reading it in with the rest costs 0.1 s of CPU at each start.
 */
const sdkApart: Plugin = {
  name: 'sdk-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^@aws-sdk\/client-s3$/ }, ({ kind }) =>
      kind === 'entry-point' ? undefined : { path: './client-s3.js', external: true },
    );
  },
};

/** The device's bundles, with the one native part beside them, named by the Node it was built for. */
async function bundle(): Promise<void> {
  if (readFileSync(native).includes('RemoveEnvironmentCleanupHook'))
    throw new Error(`${native} would abort at a garbage collection (src/build/object-wrap.h); npm run postinstall`);
  mkdirSync(dist, { recursive: true });
  // Made aside and renamed: a daemon or a test that starts meanwhile finds the old file or the new one, never half of it.
  const aside = mkdtempSync(join(dist, '.new-'));
  const result = await build({
    entryPoints: {
      main: join(root, 'src/main.ts'),
      courier: join(root, 'src/cli/main.ts'),
      'client-s3': '@aws-sdk/client-s3',
    },
    plugins: [sdkApart],
    supported: { 'dynamic-import': false }, // becomes a require: an import() would not see the names of a CommonJS file
    outdir: aside,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // Readable traces from the field are worth more than 3 % of a zip.
    minify: false,
    legalComments: 'none',
    banner: { js: '#!/usr/bin/env node' },
    external: ['bindings'],
    metafile: true,
    logLevel: 'warning',
  });
  chmodSync(join(aside, 'courier.js'), 0o755);
  copyFileSync(native, join(aside, `better_sqlite3-${process.versions.modules}.node`));
  for (const name of readdirSync(aside)) renameSync(join(aside, name), join(dist, name));
  rmSync(aside, { recursive: true });
  for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
    process.stdout.write(`dist/${basename(file)}  ${Math.round(bytes / 1024)} KiB\n`);
  }
}

void bundle();
