import { moto } from './moto';
import { radosgw } from './radosgw';

/** Which engines this machine has; their suites must not be skipped. `npx tsx test/engines/installed.ts` prints it. */
export function findInstalledEngines(): Record<string, boolean> {
  return Object.fromEntries([radosgw, moto].map((kind) => [kind.name, kind.findMissing() === undefined]));
}

if (require.main === module) process.stdout.write(`${JSON.stringify(findInstalledEngines())}\n`);
