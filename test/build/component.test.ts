import { spawnSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { unzipSync } from 'fflate';
import { parse } from 'yaml';
import { VERSION } from '../../src/version';
import { itWhere } from '../support/needs';

const ROOT = resolve(__dirname, '../..');
const NAME = 'com.thingcourier.Courier';
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

interface GdkConfig {
  readonly component: Record<
    string,
    {
      readonly author: string;
      readonly version: string;
      readonly build: { readonly build_system: string; readonly custom_build_command: unknown };
      readonly publish: { readonly bucket: string };
    }
  >;
  readonly gdk_version: string;
}

describe('what GDK expects of the project', () => {
  it('one recipe in its root', () => {
    expect(readdirSync(ROOT).filter((name) => /^recipe\.(?:ya?ml|json)$/i.test(name))).toEqual(['recipe.yaml']);
  });

  it('its configuration, with a command that is a list of words, of scripts there are', () => {
    const { component, gdk_version } = JSON.parse(read('gdk-config.json')) as GdkConfig;
    expect(Object.keys(component)).toEqual([NAME]);
    const recipe = parse(read('recipe.yaml')) as { ComponentPublisher: string };
    expect(component[NAME]).toEqual({
      author: recipe.ComponentPublisher,
      version: VERSION, // pinned: with NEXT_PATCH a local deployment does not find it
      build: { build_system: 'custom', custom_build_command: ['npm', 'run', 'build:component'] },
      publish: { bucket: expect.stringMatching(/./), region: expect.any(String) },
    });
    expect(JSON.parse(read('package.json')).scripts).toHaveProperty('build:component');
    expect(gdk_version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe('the built component', () => {
  const output = mkdtempSync(join(tmpdir(), 'component-'));
  const artifacts = join(output, 'artifacts', NAME, VERSION);
  const build = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', 'src/build/build-component.ts', ...args], {
      cwd: ROOT,
      encoding: 'utf8',
    });
  const built = build('--output', output);
  const leftOut = built.stdout.match(/(?<=^left out: ).*npm run.*$/gm) ?? [];

  afterAll(() => rmSync(output, { recursive: true }));

  it('is built', () => {
    expect(built).toMatchObject({ status: 0, stderr: '' });
  });

  it('has one recipe, of this name, version and publisher', () => {
    expect(readdirSync(join(output, 'recipes'))).toEqual(['recipe.yaml']);
    expect(parse(readFileSync(join(output, 'recipes/recipe.yaml'), 'utf8'))).toMatchObject({
      ComponentName: NAME,
      ComponentVersion: VERSION,
      ComponentPublisher: 'thing-courier',
    });
  });

  it('has flat artifacts: each that the recipe names, no other, none too large', () => {
    const { Manifests } = parse(readFileSync(join(output, 'recipes/recipe.yaml'), 'utf8')) as {
      Manifests: { Artifacts: { Uri: string }[] }[];
    };
    const uris = Manifests.flatMap(({ Artifacts }) => Artifacts.map(({ Uri }) => Uri));
    expect(readdirSync(artifacts).sort()).toEqual(uris.map((uri) => uri.split('/').at(-1)!).sort());
    for (const uri of uris) expect(uri).toMatch(/^s3:\/\/BUCKET_NAME\/COMPONENT_NAME\/COMPONENT_VERSION\/[^/]+$/);
    for (const name of readdirSync(artifacts)) {
      const { size } = lstatSync(join(artifacts, name));
      expect({ name, fits: size <= 6_500_000 }).toEqual({ name, fits: true });
    }
  });

  it('has all that runs in each package, flat, with nothing of this machine in it', () => {
    for (const zip of readdirSync(artifacts)) {
      const files = unzipSync(readFileSync(join(artifacts, zip)));
      const names = Object.keys(files);
      expect(names).toEqual(
        expect.arrayContaining([
          ...['main.js', 'courier.js', 'client-s3.js', 'aws-crt-nodejs.node'],
          ...['run.sh', 'install.sh', 'requires.sh', 'LICENSE', 'NOTICES'],
        ]),
      );
      expect(names.filter((name) => name.includes('/'))).toEqual([]);
      expect(names).not.toContain('cloud.js'); // the account's side is done elsewhere
      const majors = /has_node="([\d ]+)"/.exec(Buffer.from(files['requires.sh']!).toString())![1]!.split(' ');
      expect(names.filter((name) => name.startsWith('better_sqlite3-'))).toHaveLength(majors.length);
      for (const name of names.filter((one) => /\.(?:js|sh)$|^NOTICES$/.test(one)))
        expect({ name, has: Buffer.from(files[name]!).includes(ROOT) }).toEqual({ name, has: false });
      expect(Buffer.from(files.NOTICES!).toString()).toMatch(/^better-sqlite3 .*MIT$/m);
    }
  });

  it.each(['artifacts/systemd/thing-courier.service', 'artifacts/container/Dockerfile'])(
    'is what %s starts, with flags there are',
    (file) => {
      const [zip] = readdirSync(artifacts);
      const names = Object.keys(unzipSync(readFileSync(join(artifacts, zip!))));
      const started = [...read(file).matchAll(/\/opt\/thing-courier\/([\w.]+)/g)].map(([, name]) => name!);
      expect(started).toContain('run.sh');
      for (const name of started) expect(names).toContain(name);
      const lines = read(file).split('\n');
      const command = lines.find((line) => /^(?:ExecStart|ENTRYPOINT)\b/.test(line))!;
      const flags = command.match(/--[a-z-]+/g) ?? [];
      expect(flags).toEqual(['--config', '--state-dir']);
      for (const flag of flags) expect(read('src/main.ts')).toMatch(new RegExp(`\\b'?${flag.slice(2)}'?: \\{ type:`));
    },
  );

  it('has a notice for every package that is in a bundle', () => {
    const [zip] = readdirSync(artifacts);
    const files = unzipSync(readFileSync(join(artifacts, zip!)));
    const notices = Buffer.from(files.NOTICES!).toString();
    const bundled = Object.keys(files)
      .filter((name) => name.endsWith('.js'))
      .flatMap((name) => [
        ...Buffer.from(files[name]!)
          .toString()
          .matchAll(/^(?:\s*)\/\/ (?:node_modules\/.*)?node_modules\/((?:@[^/]+\/)?[^/]+)\//gm),
      ])
      .map(([, name]) => name!);
    expect(bundled.length).toBeGreaterThan(20);
    for (const name of new Set(bundled)) expect(notices).toContain(`\n${name} `);
  });

  const complete = leftOut.length === 0 ? 'nothing is missing here' : undefined;
  itWhere(complete, 'is refused where parts are required that are not there, and then nothing is written', async () => {
    const { status, stderr } = build('--require', '--output', join(output, 'required'));
    expect(status).toBe(1);
    for (const sentence of leftOut) expect(stderr).toContain(sentence);
    expect(readdirSync(output)).not.toContain('required');
  });
});
