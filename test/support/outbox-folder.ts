import type { Dirent } from 'node:fs';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { walkFolder } from '../../src/custody/walk-folder';
import { fingerprintOf } from '../../src/domain/fingerprint';
import type { SettledFile } from '../../src/outbox/claimer';
import type { Treatment } from '../../src/outbox/rules';

const MOVE: Treatment = { settleMs: 0, marker: undefined, claim: 'move', afterUpload: undefined };

/** What a look at the folder finds, all of it settled. */
export function settledFilesOf(root: string, treatment: Partial<Treatment> = {}): SettledFile[] {
  const files: SettledFile[] = [];
  for (const found of walkFolder(root, { isIgnored: () => false })) {
    if (found === undefined || !('stats' in found)) continue;
    const { path, folder, stats } = found;
    files.push({
      path,
      folder,
      sizeBytes: Number(stats.size),
      mtimeMs: Number(stats.mtimeNs / 1_000_000n),
      fingerprint: fingerprintOf(stats),
      treatment: { ...MOVE, ...treatment },
    });
  }
  return files.sort((a, b) => Buffer.compare(a.path, b.path));
}

/** Files below a folder, links and all that is no folder among them. */
export const filesIn = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true, withFileTypes: true }) as Dirent[])
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
