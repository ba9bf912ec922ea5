import { join, resolve } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { bundleFunctions } from './bundle-functions';

const ROOT = resolve(__dirname, '../..');

/** The bundle of the account's side: one file, what runs in the account in it as text. No device needs it. */
export async function bundleCloud(outdir: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { cloud: join(ROOT, 'src/cloud/main.ts') },
    define: { FUNCTION_CODE: JSON.stringify(await bundleFunctions()) },
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}
