import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import type { FunctionCode } from '../cloud/template/make-template';

const ROOT = resolve(__dirname, '../..');

/** What runs in the account, small enough to stand in the template: CommonJS, all in one, with the runtime's own SDK. */
export async function bundleFunctions(): Promise<FunctionCode> {
  const [tokenVendor, inboxNotifier] = await Promise.all(['token-vendor', 'inbox-notifier'].map(bundleFunction));
  return { tokenVendor: tokenVendor!, inboxNotifier: inboxNotifier! };
}

async function bundleFunction(name: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: [join(ROOT, 'src/cloud/functions', `${name}.ts`)],
    bundle: true,
    minify: true,
    write: false,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    legalComments: 'none',
    external: ['@aws-sdk/*'],
    logLevel: 'warning',
  });
  return outputFiles[0]!.text;
}
