import { parse, stringify } from 'yaml';
import type { Platform } from './native-parts';

/** What the recipe has to be, as far as the build touches it. */
export interface Recipe {
  readonly ComponentName: string;
  readonly ComponentVersion: string;
  readonly Manifests: readonly { readonly Artifacts: readonly { readonly Uri: string }[] }[];
}

/** Nucleus lite reads no longer one; the cloud's own limit is 16,000. */
const MAX_BYTES = 8_000;

/**
 * The recipe as it is published: without comments, and without the manifests whose package is not there.
 * @param built the platforms that have a package
 */
export function publishedRecipe(source: string, built: readonly Platform[]): { recipe: Recipe; text: string } {
  const whole = parse(source) as Recipe;
  const recipe: Recipe = {
    ...whole,
    Manifests: whole.Manifests.filter(({ Artifacts }) =>
      Artifacts.every(({ Uri }) => built.some((platform) => Uri.endsWith(`/${packageName(platform)}`))),
    ),
  };
  // GDK reads YAML 1.1, in which a bare 2020-01-25 is no text.
  const text = stringify(recipe, { version: '1.1', lineWidth: 0 });
  if (Buffer.byteLength(text) > MAX_BYTES)
    throw new Error(
      `the recipe has ${Buffer.byteLength(text)} bytes, nucleus lite reads ${MAX_BYTES}; shorten recipe/`,
    );
  return { recipe, text };
}

export const packageName = (platform: Platform): string => `thing-courier-${platform}.zip`;
