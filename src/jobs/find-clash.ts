/**
 * Two files cannot have one name, nor can one be a folder of the other. Pure.
 * @param files paths below one folder
 * @param folders that something will be in, whatever it is
 * @returns what a person has to change
 */
export function findClash(files: readonly string[], folders: readonly string[] = []): string | undefined {
  const taken = new Set<string>();
  for (const path of files) {
    if (taken.has(path)) return `two of its files would be ${path}; give each a path of its own`;
    taken.add(path);
  }
  for (const path of [...files, ...folders.map((folder) => `${folder}/`)])
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
      if (taken.has(path.slice(0, at)))
        return `${path.slice(0, at)} cannot be a file and the folder of ${path}; give one another path`;
  return undefined;
}
