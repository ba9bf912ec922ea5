import { readFileSync } from 'node:fs';
import { findMissing } from './power-cut/find-missing';

interface JestResults {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly ancestorTitles: readonly string[] }[];
  }[];
}

/** Whether the power was not cut, by the file that `jest --json --outputFile` writes: not at all, or skipped. */
export function wasPowerCutSkipped({ testResults }: JestResults): boolean {
  const own = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ ancestorTitles }) => ancestorTitles[0] === 'power cut');
  return own.length === 0 || own.some(({ status }) => status !== 'passed' && status !== 'failed');
}

// npx tsx test/crash/skipped.ts <file>: exits with 1 when it was skipped where it could have run
if (require.main === module) {
  const [, , file = ''] = process.argv;
  const wasSkipped = wasPowerCutSkipped(JSON.parse(readFileSync(file, 'utf8')) as JestResults);
  if (wasSkipped && findMissing() === undefined) {
    process.stderr.write('a disk image can lose its power here, and that suite was not run\n');
    process.exitCode = 1;
  }
}
