import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import { bundleCloud } from './bundle-cloud';
import { readDatabaseBinary } from './native-parts';

const root = resolve(__dirname, '../..');
const dist = join(root, 'dist');
const native = join(root, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node');

/**
 * What only some devices need stands in files of its own, read in when it is needed. AWS's S3 client is two thirds of
 * all code, and a device of small files never needs it: reading it in with the rest costs 0.1 s of CPU at each start.
 * The client of MQTT loads a native part.
 */
const APART = {
  'client-s3': { module: /^@aws-sdk\/client-s3$/, entry: '@aws-sdk/client-s3' },
  'mqtt-crt': { module: /^\.\/crt$/, entry: join(root, 'src/aws/mqtt/crt.ts') },
};

const apart: Plugin = {
  name: 'apart',
  setup({ onResolve }) {
    for (const [name, { module }] of Object.entries(APART))
      onResolve({ filter: module }, ({ kind }) =>
        kind === 'entry-point' ? undefined : { path: `./${name}.js`, external: true },
      );
  },
};

/** The device's bundles. The same sources give the same bytes in whatever folder they lie. */
export async function bundle(outdir: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root, // paths in comments start here
    entryPoints: {
      main: join(root, 'src/main.ts'),
      courier: join(root, 'src/cli/main.ts'),
      'claim-thread': join(root, 'src/outbox/claim-thread-main.ts'),
      ...Object.fromEntries(Object.entries(APART).map(([name, { entry }]) => [name, entry])),
    },
    plugins: [apart],
    supported: { 'dynamic-import': false }, // becomes a require: an import() would not see the names of a CommonJS file
    outdir,
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
  chmodSync(join(outdir, 'courier.js'), 0o755);
  return metafile;
}

/** For development: the bundles in `dist/`, with the one native part beside them, named by the Node it was built for. */
async function buildDist(): Promise<void> {
  const database = readDatabaseBinary(native);
  mkdirSync(dist, { recursive: true });
  // Made aside and renamed: a daemon or a test that starts meanwhile finds the old file or the new one, never half of it.
  const aside = mkdtempSync(join(dist, '.new-'));
  const outputs = { ...(await bundle(aside)).outputs, ...(await bundleCloud(aside)).outputs };
  writeFileSync(join(aside, `better_sqlite3-${process.versions.modules}.node`), database, { mode: 0o755 });
  const crt = join(root, `node_modules/aws-crt/dist/bin/linux-${process.arch}-glibc/aws-crt-nodejs.node`);
  if (existsSync(crt)) copyFileSync(crt, join(aside, basename(crt))); // there is none for 32-bit ARM
  for (const name of readdirSync(aside)) renameSync(join(aside, name), join(dist, name));
  rmSync(aside, { recursive: true });
  for (const [file, { bytes }] of Object.entries(outputs)) {
    process.stdout.write(`dist/${basename(file)}  ${Math.round(bytes / 1024)} KiB\n`);
  }
}

if (require.main === module) void buildDist();
