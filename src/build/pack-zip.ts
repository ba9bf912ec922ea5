import { zipSync } from 'fflate';

/** Zip's own beginning of time, in whatever zone: it notes the local time. */
const BEGINNING = new Date(1980, 0, 1);
const UNIX = 3;
const RUN_BY_ALL = 0o100_755 << 16;
const READ_BY_ALL = 0o100_644 << 16;

export type PackageFiles = ReadonlyMap<string, string | Uint8Array>;

/** The same files give the same bytes, whoever packs them, when and where: fflate's deflate is its own, not the machine's zlib. */
export function packZip(files: PackageFiles): Uint8Array {
  const names = [...files.keys()].sort();
  return zipSync(
    Object.fromEntries(
      names.map((name) => {
        const content = files.get(name)!;
        const bytes = typeof content === 'string' ? Buffer.from(content) : content;
        const mode = /\.sh$|^courier\.js$/.test(name) ? RUN_BY_ALL : READ_BY_ALL;
        return [name, [bytes, { os: UNIX, attrs: mode, mtime: BEGINNING, level: 9 }]];
      }),
    ),
  );
}
