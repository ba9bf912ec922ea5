import { closeSync, existsSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SeededRandom } from './seeded-random';

const DAMAGES = ['deleted', 'garbage', 'halved', 'one page rotten'] as const;
export type LedgerDamage = (typeof DAMAGES)[number];

const PAGE_BYTES = 4096;

/**
 * What a failing card or a helpful person does to the ledger of a daemon that is not running.
 * @returns undefined when there is none: it was lost before, and the daemon killed before it made another
 */
export function damageLedger(stateDir: string, random: SeededRandom): LedgerDamage | undefined {
  const file = join(stateDir, 'ledger.sqlite');
  if (!existsSync(file)) return undefined;
  const damage = random.pick(DAMAGES);
  switch (damage) {
    case 'deleted':
      for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
      break;
    case 'garbage':
      writeFileSync(file, random.bytes(random.between(1, 200_000)));
      break;
    case 'halved':
      truncateSync(file, Math.floor(statSync(file).size / 2));
      break;
    case 'one page rotten': {
      const pages = Math.floor(statSync(file).size / PAGE_BYTES);
      const fd = openSync(file, 'r+');
      writeSync(fd, random.bytes(PAGE_BYTES), 0, PAGE_BYTES, random.between(0, Math.max(0, pages - 1)) * PAGE_BYTES);
      closeSync(fd);
      break;
    }
    default:
      damage satisfies never;
  }
  return damage;
}
