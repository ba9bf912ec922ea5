import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { PLATFORMS, type Platform } from '../../src/build/native-parts';
import { publishedRecipe } from '../../src/build/published-recipe';
import { configSchema } from '../../src/config/schema';

const SOURCE = readFileSync(resolve(__dirname, '../../recipe/recipe.yaml'), 'utf8');
/** Those that mean the same on classic and lite. */
const VARIABLES =
  /\{(?:artifacts:(?:path|decompressedPath)|work:path|kernel:rootPath|iot:thingName|configuration:\/[\w/]+)\}/g;

interface WholeRecipe {
  readonly ComponentName: string;
  readonly ComponentDependencies: Record<string, { DependencyType: string }>;
  readonly ComponentConfiguration: { readonly DefaultConfiguration: Record<string, unknown> };
  readonly Manifests: readonly {
    readonly Platform: object;
    readonly Lifecycle: Record<string, { Script: string; Setenv?: Record<string, unknown> }>;
    readonly Artifacts: readonly object[];
  }[];
}

/** Every value that is not an object with something in it, by its path. */
function leaves(value: unknown, path = ''): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return new Map([[path, value]]);
  return new Map(Object.entries(value).flatMap(([name, inner]) => [...leaves(inner, path ? `${path}.${name}` : name)]));
}

function* keysOf(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    yield name;
    yield* keysOf(inner);
  }
}

describe('the recipe', () => {
  const { text } = publishedRecipe(SOURCE, PLATFORMS);
  const recipe = parse(text, { version: '1.1' }) as WholeRecipe; // as GDK reads it
  const { accessControl, ...settings } = recipe.ComponentConfiguration.DefaultConfiguration;
  const steps = recipe.Manifests.flatMap(({ Lifecycle }) => Object.entries(Lifecycle));

  it("has the schema's defaults for its own, but for what lies under the work path", () => {
    const defaults = leaves(configSchema.parse({}));
    defaults.delete('state.dir');
    defaults.delete('outboxes');
    expect(leaves(settings)).toEqual(defaults);
    expect(configSchema.parse(settings)).toEqual(configSchema.parse({}));
  });

  it('is short enough for nucleus lite, and says so when it is not', () => {
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(8_000);
    const long = SOURCE.replace('ComponentPublisher:', `Filler: ${'x'.repeat(8_000)}\nComponentPublisher:`);
    expect(() => publishedRecipe(long, PLATFORMS)).toThrow(/nucleus lite reads 8000; shorten/);
  });

  it('keeps texts texts for who reads YAML 1.1', () => {
    expect(recipe).toMatchObject({ RecipeFormatVersion: '2020-01-25', ComponentVersion: expect.any(String) });
  });

  it('is spelled as both nuclei read it', () => {
    for (const { Platform, Lifecycle, Artifacts } of recipe.Manifests) {
      expect(Platform).toEqual({
        os: 'linux',
        architecture: expect.stringMatching(/^(amd64|aarch64)$/),
        runtime: '*',
      });
      expect(Object.keys(Lifecycle)).toEqual(['install', 'run']);
      expect(Object.keys(Lifecycle.run!)).toEqual(['Script']); // a Timeout would end the component on classic
      expect(Artifacts).toEqual([{ Uri: expect.stringMatching(/\.zip$/), Unarchive: 'ZIP' }]);
    }
    const known = /^(?:skipif|shutdown|recover|startup|bootstrap)$/i;
    expect([...keysOf(recipe)].filter((key) => known.test(key))).toEqual([]);
  });

  it('has no brace in a script but those of variables both know', () => {
    expect(steps).toHaveLength(4);
    for (const [, { Script, Setenv = {} }] of steps) {
      expect(Script.replace(VARIABLES, '')).not.toMatch(/[{}]/);
      expect(Script).not.toContain('{configuration:'); // classic restarts us when such a value changes
      expect(Object.values(Setenv).filter((value) => typeof value !== 'string')).toEqual([]);
    }
    expect(recipe.Manifests.map(({ Lifecycle }) => Lifecycle.run!.Script)).toEqual([
      expect.stringMatching(/^exec /),
      expect.stringMatching(/^exec /),
    ]);
  });

  it('depends on the token exchange alone', () => {
    expect(Object.entries(recipe.ComponentDependencies)).toEqual([
      ['aws.greengrass.TokenExchangeService', { VersionRequirement: expect.any(String), DependencyType: 'HARD' }],
    ]);
  });

  it('names its policies after itself, each once on a device', () => {
    const policies = Object.values(accessControl as Record<string, Record<string, object>>).flatMap(Object.entries);
    const ids = policies.map(([id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => !id.startsWith(`${recipe.ComponentName}:`))).toEqual([]);
    for (const [, policy] of policies) {
      expect(policy).toMatchObject({ operations: expect.any(Array), resources: expect.any(Array) });
      expect(JSON.stringify(policy)).not.toMatch(/"\*"|#\s*"\*/); // never all operations, never all topics
    }
  });

  it.each<[readonly Platform[], readonly string[]]>([
    [['linux-x64'], ['amd64']],
    [['linux-arm64'], ['aarch64']],
    [PLATFORMS, ['amd64', 'aarch64']],
  ])('has manifests for what was built only: %p', (built, architectures) => {
    const { Manifests } = parse(publishedRecipe(SOURCE, built).text) as { Manifests: { Platform: object }[] };
    expect(Manifests.map(({ Platform }) => Platform)).toEqual(
      architectures.map((architecture) => expect.objectContaining({ architecture })),
    );
  });
});
