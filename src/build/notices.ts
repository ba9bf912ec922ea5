import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Metafile } from 'esbuild';

const ROOT = resolve(__dirname, '../..');
const LICENCE_FILE = /^(?:licen[cs]e|copying|notice|third[-_]party)[^/]*$/i;
/** In the package as binaries. */
const NATIVE = ['node_modules/aws-crt', 'node_modules/better-sqlite3'];
const INSIDE_BINARIES = `better_sqlite3-*.node holds SQLite, which is in the public domain.
aws-crt-nodejs.node holds the AWS Common Runtime in C (aws-c-*, aws-checksums, s2n-tls: Apache-2.0) and AWS-LC
(Apache-2.0 OR ISC, with parts under the licences of OpenSSL, BoringSSL and Go): see the repository of aws-crt.`;

/** The licence of everything in a package: of all packages of which a line is in a bundle, and of the native parts. */
export function collectNotices({ outputs }: Metafile): string {
  const used = Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? packageFolder(file) : [])),
  );
  const folders = [...new Set([...used, ...NATIVE])].sort();
  const packages = folders.map(readPackage);
  const told = new Map<string, string[]>();
  for (const { title, texts } of packages) {
    for (const text of texts) told.set(text, [...(told.get(text) ?? []), title]);
  }
  return [
    'thing-courier is made of these packages; their licences follow.',
    packages.map(({ title, licence }) => `${title}  ${licence}`).join('\n'),
    INSIDE_BINARIES,
    ...[...told].map(([text, titles]) => `${'='.repeat(100)}\n${titles.join(', ')}\n\n${text}`),
  ].join('\n\n');
}

/** `node_modules/a/node_modules/@b/c/lib/d.js` → `node_modules/a/node_modules/@b/c` */
function packageFolder(file: string): string[] {
  const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file);
  return found === null ? [] : [found[0]];
}

function readPackage(folder: string): { title: string; licence: string; texts: string[] } {
  const about = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
  };
  const texts = readdirSync(join(ROOT, folder))
    .filter((name) => LICENCE_FILE.test(name))
    .sort()
    .map((name) =>
      readFileSync(join(ROOT, folder, name), 'utf8')
        .replaceAll('\r\n', '\n')
        .trim(),
    );
  const title = `${about.name} ${about.version}`;
  if (about.license === undefined && texts.length === 0)
    throw new Error(`${title} states no licence; it cannot be handed on: find out, or leave it out`);
  return { title, licence: about.license ?? 'see below', texts };
}
