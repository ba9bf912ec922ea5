import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** The rooms, top to bottom: an import only points down, never sideways. */
const LEVEL: Record<string, number> = {
  main: 6,
  component: 5,
  outbox: 4,
  upload: 4,
  inbox: 4,
  jobs: 4,
  status: 4,
  control: 4,
  download: 3,
  messages: 3,
  link: 3,
  custody: 2,
  config: 1,
  domain: 0,
};
/** What any room may import. */
const EVERYWHERE = ['run-loop', 'clock', 'log', 'version'];
const ROOT = resolve(__dirname, '../src');

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const files = (readdirSync(ROOT, { recursive: true }) as string[]).filter((name) => name.endsWith('.ts'));
const roomOf = (file: string): string => file.split('/')[0]!.replace(/\.ts$/, '');

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from '(\.[^']+)'/gms)].map(([, typeOnly, path]) => ({
    from: file,
    to: relative(ROOT, resolve(ROOT, dirname(file), path!)),
    typeOnly: typeOnly !== undefined,
  }));
}

function isAllowed({ from, to, typeOnly }: Import): boolean {
  const [room, target] = [roomOf(from), roomOf(to)];
  if (room === target || EVERYWHERE.includes(target)) return true;
  if (to.startsWith('../package')) return room === 'version';
  if (EVERYWHERE.includes(room)) return false;
  if (room === 'build') return ['config', 'domain', 'cloud'].includes(target);
  // It starts in milliseconds: of the words everyone shares only what is a line or two.
  if (room === 'cli') return to === 'control/protocol' || to === 'domain/format-bytes';
  // A key that a power cut takes leaves a certificate behind that nobody can use: it is written as custody writes.
  if (room === 'cloud') return ['config', 'domain'].includes(target) || to === 'custody/write-file';
  if (room === 'aws') return target === 'domain' || typeOnly;
  if (room === 'component' && target === 'aws') return true;
  return (LEVEL[room] ?? 0) > (LEVEL[target] ?? 99);
}

describe('the rooms', () => {
  const imports = files.flatMap(importsOf);

  it('are seen by this test', () => {
    expect(imports.length).toBeGreaterThan(100);
    for (const room of new Set(files.map(roomOf))) {
      expect([...Object.keys(LEVEL), ...EVERYWHERE, 'aws', 'cli', 'cloud', 'build']).toContain(room);
    }
  });

  it('import only downwards', () => {
    expect(imports.filter((one) => !isAllowed(one)).map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it.each([
    [{ from: 'upload/a.ts', to: 'aws/s3/b', typeOnly: true }, false],
    [{ from: 'upload/a.ts', to: 'outbox/b', typeOnly: true }, false],
    [{ from: 'custody/a.ts', to: 'upload/b', typeOnly: true }, false],
    [{ from: 'aws/s3/a.ts', to: 'upload/b', typeOnly: false }, false],
    [{ from: 'cli/a.ts', to: 'control/control-server', typeOnly: true }, false],
    [{ from: 'domain/a.ts', to: 'config/b', typeOnly: false }, false],
    [{ from: 'upload/a.ts', to: 'custody/b', typeOnly: false }, true],
  ])('%j is allowed: %p', (one, allowed) => {
    expect(isAllowed(one)).toBe(allowed);
  });

  it('read the environment only at the edges', () => {
    const readers = files.filter((file) =>
      /process\.env|\benv\b.*= process/.test(readFileSync(join(ROOT, file), 'utf8')),
    );
    expect(
      readers.filter((file) => !/^(main\.ts|cli\/|build\/|cloud\/main\.ts|cloud\/functions\/)/.test(file)),
    ).toEqual([]);
  });
});
