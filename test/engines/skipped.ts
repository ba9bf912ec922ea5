import { readFileSync } from 'node:fs';
import { Mosquitto } from './mosquitto';
import { moto, motoChecking } from './moto';
import { radosgw } from './radosgw';

interface JestResults {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly ancestorTitles: readonly string[] }[];
  }[];
}

/**
 * Engines that are installed and yet were not run to the end, by the file that `jest --json --outputFile` writes:
 * no test at all, or one that was skipped. `npx tsx test/engines/skipped.ts <file>` prints them and exits with 1.
 */
export function findWronglySkipped(results: JestResults): string[] {
  const tests = results.testResults.flatMap(({ assertionResults }) => assertionResults);
  return [radosgw, moto, motoChecking, { name: 'mosquitto', findMissing: () => Mosquitto.findMissing() }]
    .filter((kind) => kind.findMissing() === undefined)
    .map(({ name }) => name)
    .filter((name) => {
      const own = tests.filter(({ ancestorTitles }) => ancestorTitles[0] === name);
      return own.length === 0 || own.some(({ status }) => status !== 'passed' && status !== 'failed');
    });
}

if (require.main === module) {
  const [, , file = ''] = process.argv;
  const skipped = findWronglySkipped(JSON.parse(readFileSync(file, 'utf8')) as JestResults);
  for (const name of skipped) process.stderr.write(`${name} is installed, and its suite was not run\n`);
  process.exitCode = skipped.length === 0 ? 0 : 1;
}
