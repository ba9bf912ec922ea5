import type { NativeParts } from './native-parts';

/** Which platforms get a package, and a sentence for everything that is left out. */
export interface Choice {
  readonly packages: readonly NativeParts[];
  readonly leftOut: readonly string[];
}

/**
 * A package for each platform that has a part for some Node.js at least: without one nothing would run there.
 * @param requireAll all parts have to be there
 * @throws Error with what is missing and how to get it
 */
export function choosePackages(parts: readonly NativeParts[], requireAll: boolean): Choice {
  const missing = parts.flatMap(({ leftOut }) => leftOut);
  if (requireAll && missing.length > 0) throw new Error(`parts are missing:\n${missing.join('\n')}`);
  const packages = parts.filter(({ nodeMajors }) => nodeMajors.length > 0);
  if (packages.length === 0) throw new Error(`there is nothing to package:\n${missing.join('\n')}`);
  const without = parts.filter((part) => !packages.includes(part));
  return {
    packages,
    leftOut: [
      ...without.map(({ platform }) => `${platform} altogether, package and manifest: nothing would run there`),
      ...missing,
    ],
  };
}
