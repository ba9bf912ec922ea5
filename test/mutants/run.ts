// npm run test:mutants -- [--only NAME[,NAME…]] [--sample N] [--seed N] [--output FILE]
//
// Takes the handling of one trap after another out of a copy of the tree and expects a test to notice. Each patch
// names in its first lines the tests that must fail: `# red: test/component/traps.test.ts -t "5:"`, with `SUITE=crash`
// before them where they are of another suite. FILE gets the
// counts as jest writes them. A failing sample is repeated by its seed.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SeededRandom } from '../crash/seeded-random';

interface Mutant {
  readonly name: string;
  readonly file: string;
  /** What of the source it takes out. */
  readonly what: string;
  /** Arguments for jest, one run each; first those for its environment. */
  readonly red: readonly (readonly string[])[];
}

type Verdict = 'red' | 'GREEN' | 'DOES NOT APPLY' | 'DOES NOT BUILD' | 'NO SUCH TEST';

const ROOT = resolve(__dirname, '../..');
const COPIED = ['src', 'test', 'recipe', 'package.json', 'jest.config.cjs', 'tsconfig.json'];
/** A test that waits for what no longer comes is red too, and sooner than by its usual patience. */
const TEST_MS = 20_000;
/** Of one run of jest. */
const RUN_MS = 180_000;

function readMutants(): Mutant[] {
  return readdirSync(__dirname)
    .filter((name) => name.endsWith('.patch'))
    .sort()
    .map((name) => {
      const file = join(__dirname, name);
      const head = readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('# '));
      const red = head.filter((line) => line.startsWith('# red: ')).map((line) => words(line.slice('# red: '.length)));
      const what = head.find((line) => !line.startsWith('# red: '))?.slice(2) ?? '';
      if (red.length === 0) throw new Error(`${name} does not say which test must fail: # red: …`);
      return { name: basename(name, '.patch'), file, what, red };
    });
}

/** `a -t "b c"` → a, -t, b c */
const words = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);

/** The tree without the patch, to be changed; what is installed is shared. */
function copyTree(): string {
  const tree = mkdtempSync(join(tmpdir(), 'mutant-'));
  for (const name of COPIED) cpSync(join(ROOT, name), join(tree, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}

function applies(tree: string, file: string): boolean {
  try {
    execFileSync('git', ['apply', file], { cwd: tree, stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

async function jest(tree: string, words: readonly string[], out: string): Promise<Verdict> {
  const results = join(out, 'jest.json');
  rmSync(results, { force: true });
  const isSetting = (word: string): boolean => /^[A-Z_]+=/.test(word);
  const settings = words.filter(isSetting).map((word) => word.split('='));
  const child = spawn(
    process.execPath,
    [
      require.resolve('jest/bin/jest'),
      ...words.filter((word) => !isSetting(word)),
      '--runInBand',
      '--forceExit',
      `--testTimeout=${TEST_MS}`,
      '--json',
      `--outputFile=${results}`,
    ],
    { cwd: tree, stdio: 'ignore', detached: true, env: { ...process.env, ...Object.fromEntries(settings) } },
  );
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
    process.kill(-child.pid!, 'SIGKILL');
  }, RUN_MS);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(late);
  if (isLate) return 'red'; // tests end by their own patience: only a process whose memory is spoiled does not
  if (!existsSync(results)) return code === 1 ? 'NO SUCH TEST' : 'red'; // a process that died of it is seen too
  const counts = JSON.parse(readFileSync(results, 'utf8')) as { numFailedTests: number; numPassedTests: number };
  if (counts.numFailedTests > 0) return 'red';
  return counts.numPassedTests > 0 ? 'GREEN' : 'NO SUCH TEST';
}

async function judge(tree: string, mutant: Mutant, out: string): Promise<Verdict> {
  rmSync(join(tree, 'src'), { recursive: true });
  cpSync(join(ROOT, 'src'), join(tree, 'src'), { recursive: true });
  if (!applies(tree, mutant.file)) return 'DOES NOT APPLY';
  try {
    execFileSync(process.execPath, ['--import', 'tsx', 'src/build/bundle.ts'], { cwd: tree, stdio: 'pipe' });
  } catch {
    return 'DOES NOT BUILD';
  }
  for (const args of mutant.red) {
    const verdict = await jest(tree, args, out);
    if (verdict !== 'red') return verdict;
  }
  return 'red';
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      sample: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
      output: { type: 'string' },
    },
  });
  const all = readMutants();
  const only = values.only?.split(',');
  let chosen = only === undefined ? all : all.filter(({ name }) => only.includes(name));
  if (chosen.length === 0)
    throw new Error(`--only ${values.only}: there are ${all.map(({ name }) => name).join(', ')}`);
  if (values.sample !== undefined) {
    const random = new SeededRandom(Number(values.seed));
    chosen = chosen
      .map((one) => ({ one, at: random.next() }))
      .sort((a, b) => a.at - b.at)
      .slice(0, Number(values.sample))
      .map(({ one }) => one);
    process.stdout.write(`${chosen.length} of ${all.length} mutants, --seed ${values.seed}\n`);
  }
  const tree = copyTree();
  const out = join(tree, 'out');
  mkdirSync(out);
  const verdicts: { name: string; verdict: Verdict }[] = [];
  try {
    for (const mutant of chosen) {
      const sinceMs = performance.now();
      const verdict = await judge(tree, mutant, out);
      verdicts.push({ name: mutant.name, verdict });
      const seconds = Math.round((performance.now() - sinceMs) / 1000);
      process.stdout.write(
        `${verdict.padEnd(14)} ${`${seconds} s`.padStart(6)}  ${mutant.name.padEnd(30)} ${mutant.what}\n`,
      );
    }
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
  const red = verdicts.filter(({ verdict }) => verdict === 'red').length;
  const others = verdicts.length - red;
  process.stdout.write(`mutants: ${red} red, ${others} green\n`);
  if (values.output !== undefined) {
    const counts = {
      numPassedTests: red,
      numFailedTests: others,
      numPendingTests: 0,
      numTodoTests: 0,
      numRuntimeErrorTestSuites: 0,
    };
    writeFileSync(values.output, JSON.stringify(counts));
  }
  process.exitCode = others === 0 ? 0 : 1;
}

void main();
