import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { withReference } from '../src/build/configuration-reference';
import { VERSION } from '../src/version';

const ROOT = resolve(__dirname, '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

describe('the frame', () => {
  it('has one version, everywhere', () => {
    const recipe = parse(read('recipe.yaml')) as { ComponentName: string; ComponentVersion: string };
    const gdk = JSON.parse(read('gdk-config.json')) as { component: Record<string, { version: string }> };
    expect(recipe).toMatchObject({ ComponentName: 'com.thingcourier.Courier', ComponentVersion: VERSION });
    expect(gdk.component['com.thingcourier.Courier']?.version).toBe(VERSION);
    expect(JSON.parse(read('package-lock.json'))).toMatchObject({ version: VERSION });
  });

  it('has a configuration reference that says what the schema says', () => {
    expect(withReference(read('README.md'))).toBe(read('README.md'));
  });

  it('names every script CONTRIBUTING.md and README.md tell of', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const told = [...`${read('README.md')}${read('CONTRIBUTING.md')}`.matchAll(/npm (?:run )?([a-z:]+)/g)].map(
      ([, name]) => name!,
    );
    expect(told.filter((name) => name !== 'ci' && scripts[name] === undefined)).toEqual([]);
  });

  it('starts node with the same flags from the command and from the component', () => {
    const flagsIn = (file: string): string[] => read(file).match(/--max-[a-z-]+=\d+/g) ?? [];
    expect(flagsIn('src/cli/run.ts')).toHaveLength(2);
    expect(flagsIn('artifacts/run.sh')).toEqual(flagsIn('src/cli/run.ts'));
  });

  it('keeps the rooms small', () => {
    const files = (readdirSync(join(ROOT, 'src'), { recursive: true }) as string[]).filter((name) =>
      name.endsWith('.ts'),
    );
    const long = files.filter((name) => read(join('src', name)).split('\n').length > 400);
    expect(long).toEqual([]);
  });
});
